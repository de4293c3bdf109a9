package istio

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// TestReferencePage writes the users' page of what is served from the tables
// that decide it.
func TestReferencePage(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	say("<!-- Written by `make golden` from the tables in internal/ingest/istio. -->")
	say("# What of Istio's API is served\n")
	say("All versions of a kind are read (%s). A field that is right but not in these\nlists has no effect yet: it is named in discovery's log, in the object's `Warning`\ncondition and by `meshwright check`; the rest of the object is served. An object\nthat breaks a rule of the API is refused alone, with condition `Accepted` False.\n", strings.Join(Versions, ", "))
	for _, kind := range Kinds {
		if !kind.Served {
			continue
		}
		test := kindsUnderTest[mesh.Kind(kind.Kind)]
		say("## %s (%s)\n", kind.Kind, kind.Group)
		say("| Served | |\n|---|---|")
		parents := map[string][]string{}
		for _, leaf := range slices.Sorted(maps.Keys(test.table.leaves)) {
			if repeated(leaf) {
				continue
			}
			parent, name := "spec", leaf
			if i := strings.LastIndex(leaf, "."); i >= 0 {
				parent, name = "spec."+leaf[:i], leaf[i+1:]
			}
			parents[parent] = append(parents[parent], name)
		}
		for _, parent := range slices.Sorted(maps.Keys(parents)) {
			say("| `%s` | %s |", parent, strings.Join(parents[parent], ", "))
		}
		if kind.Kind == string(mesh.KindDestinationRule) {
			say("\nA subset's `trafficPolicy` and each of `portLevelSettings` is served as `trafficPolicy` is.")
		}
		say("\nNot served yet: %s.\n", strings.Join(unservedTops(test), ", "))
	}
	say("## Kinds that are not served yet\n")
	say("| Kind | What that means |\n|---|---|")
	for _, kind := range Kinds {
		if !kind.Served {
			say("| %s | %s |", kind.Kind, kind.Consequence)
		}
	}
	golden.Text(t, "../../../docs/reference/istio-api.md", page.Bytes())
}

// unservedTops are the outermost fields of a kind of which nothing is served.
func unservedTops(test kindUnderTest) []string {
	found := map[string]bool{}
	walkLeaves(test.new().ProtoReflect().Descriptor(), nil, func(trail []protoreflect.FieldDescriptor) {
		name := dotted(trail)
		if test.table.leaves[name] || repeated(name) {
			return
		}
		for i, r := range name + "." {
			if top := name[:min(i, len(name))]; r == '.' && !test.table.inner[top] {
				found["`"+top+"`"] = true
				return
			}
		}
	})
	if len(found) == 0 {
		return []string{"nothing"}
	}
	return slices.Sorted(maps.Keys(found))
}

// repeated are the places where a traffic policy stands again.
func repeated(leaf string) bool {
	return strings.HasPrefix(leaf, "subsets.trafficPolicy.") ||
		strings.Contains(leaf, "portLevelSettings.") && !strings.HasSuffix(leaf, "port.number")
}
