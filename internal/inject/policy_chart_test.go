package inject

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/golden"
)

// The chart of the version that is being developed has the policy as it is
// written now; those of released versions keep theirs.
func TestTheChartHasThePolicy(t *testing.T) {
	t.Parallel()
	p := NewPolicy()
	var out strings.Builder
	list := func(name, key string, expressions []Expression) {
		fmt.Fprintf(&out, "\n{{- define \"mesh.policy.%s\" -}}\n", name)
		for _, e := range expressions {
			fmt.Fprintf(&out, "- name: %s\n  expression: |-\n%s\n", e.Name, indent(key, e.Text))
		}
		out.WriteString("{{- end -}}\n")
	}
	out.WriteString("{{/* Written by make golden from internal/inject, so that all doors give equal pods. */}}\n")
	list("conditions", "    ", p.Conditions)
	list("variables", "    ", p.Variables)
	out.WriteString("\n{{- define \"mesh.policy.mutations\" -}}\n")
	for _, m := range p.Mutations {
		fmt.Fprintf(&out, "- patchType: JSONPatch\n  jsonPatch:\n    expression: |-\n%s\n", indent("      ", m))
	}
	out.WriteString("{{- end -}}\n")
	for _, e := range append(append(p.Conditions, p.Variables...), Expression{Text: strings.Join(p.Mutations, "\n")}) {
		if strings.Contains(e.Text, "{{") {
			t.Errorf("%s would be an action of the template: %s", e.Name, e.Text)
		}
	}
	golden.Text(t, "../../charts/mesh/v0.1.0/templates/_policy.tpl", []byte(out.String()))
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}
