package istio

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Reasons of the Problems of this package.
const (
	// ReasonInvalid refuses the object: Field breaks a rule of the API.
	ReasonInvalid = "Invalid"
	// ReasonUnknownField: the API has no such field; an API server drops it.
	ReasonUnknownField = "UnknownField"
	// ReasonSuspicious: right by the API, but hardly what was meant.
	ReasonSuspicious = "Suspicious"
	// ReasonFieldNotServed and ReasonKindNotServed: right, but not yet served.
	ReasonFieldNotServed = "FieldNotServed"
	ReasonKindNotServed  = "KindNotServed"
)

// problems collects what is wrong with one object.
type problems struct {
	object mesh.Key
	list   []mesh.Problem
}

// refuse makes the whole object be refused.
func (p *problems) refuse(at *field.Path, format string, args ...any) {
	p.add(mesh.Problem{Reason: ReasonInvalid, Field: path(at), Message: fmt.Sprintf(format, args...), Refused: true})
}

// suspect warns; the object is served as it stands.
func (p *problems) suspect(at *field.Path, format string, args ...any) {
	p.add(mesh.Problem{Reason: ReasonSuspicious, Field: path(at), Message: fmt.Sprintf(format, args...)})
}

// unserved names a field that is right but has no effect yet.
func (p *problems) unserved(at *field.Path, format string, args ...any) {
	p.add(mesh.Problem{Reason: ReasonFieldNotServed, Field: path(at), Message: fmt.Sprintf(format, args...), Unserved: true})
}

func (p *problems) add(problem mesh.Problem) {
	problem.Object = p.object
	p.list = append(p.list, problem)
}

func (p *problems) refused() bool {
	return slices.ContainsFunc(p.list, func(m mesh.Problem) bool { return m.Refused })
}

// sorted puts what refuses first, then by field; a field is named once for each
// reason.
func (p *problems) sorted() []mesh.Problem {
	slices.SortStableFunc(p.list, func(a, b mesh.Problem) int {
		if a.Refused != b.Refused {
			if a.Refused {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Field, b.Field)
	})
	return slices.CompactFunc(p.list, func(a, b mesh.Problem) bool { return a.Field == b.Field && a.Reason == b.Reason })
}

func path(at *field.Path) string {
	if at == nil {
		return ""
	}
	return at.String()
}
