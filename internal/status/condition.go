package status

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Types of the conditions that this package owns. No other entry of an object's
// conditions is touched.
const (
	// TypeAccepted is True if the object is in use and False if it is refused as
	// a whole; the message then names each field at fault and what to do.
	TypeAccepted = "Accepted"
	// TypeWarning is True, and there at all, only if an accepted object does not
	// do all that it says: fields that are not served, hosts or Secrets that do
	// not exist, what an older object claimed first.
	TypeWarning = "Warning"
)

// ReasonAccepted is the reason of TypeAccepted when it is True.
const ReasonAccepted = "Accepted"

const (
	statusTrue  = "True"
	statusFalse = "False"
	// maxNamed bounds how many Problems one message names.
	maxNamed = 8
)

// desired are the conditions that an object of this generation should have of
// us. An absent one is to be removed.
func desired(generation int64, problems []mesh.Problem) []mesh.Condition {
	var refused, rest []mesh.Problem
	for _, p := range problems {
		if p.Refused {
			refused = append(refused, p)
		} else {
			rest = append(rest, p)
		}
	}
	condition := func(kind, status, reason string, problems []mesh.Problem) mesh.Condition {
		return mesh.Condition{Type: kind, Status: status, Reason: reason, Message: message(problems), ObservedGeneration: generation}
	}
	if len(refused) > 0 {
		return []mesh.Condition{condition(TypeAccepted, statusFalse, refused[0].Reason, refused)}
	}
	out := []mesh.Condition{condition(TypeAccepted, statusTrue, ReasonAccepted, nil)}
	if len(rest) > 0 {
		out = append(out, condition(TypeWarning, statusTrue, rest[0].Reason, rest))
	}
	return out
}

func message(problems []mesh.Problem) string {
	var parts []string
	for i, p := range problems {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more, see meshwright check", len(problems)-maxNamed))
			break
		}
		if p.Field == "" {
			parts = append(parts, p.Message)
			continue
		}
		parts = append(parts, p.Field+": "+p.Message)
	}
	return strings.Join(parts, "; ")
}

// ours reports whether a condition's type is one that this package owns.
func ours(kind string) bool { return kind == TypeAccepted || kind == TypeWarning }

// same reports whether the conditions there are hold exactly what we want.
func same(there, want []mesh.Condition) bool {
	var own []mesh.Condition
	for _, c := range there {
		if ours(c.Type) {
			own = append(own, c)
		}
	}
	byType := func(a, b mesh.Condition) int { return strings.Compare(a.Type, b.Type) }
	slices.SortFunc(own, byType)
	return slices.Equal(own, slices.SortedFunc(slices.Values(want), byType))
}
