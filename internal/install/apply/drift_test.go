package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestDifferencesNameFields(t *testing.T) {
	cases := map[string]struct {
		before, after string
		want          []string
	}{
		"nothing":                            {"a: {b: 1}", "a: {b: 1}", nil},
		"a scalar":                           {"spec: {replicas: 1}", "spec: {replicas: 2}", []string{"spec.replicas"}},
		"a field more and a field less":      {"a: 1", "b: 1", []string{"a", "b"}},
		"a key with a dot and a slash":       {"metadata: {labels: {a.b/c: d}}", "metadata: {labels: {a.b/c: e}}", []string{"metadata.labels[a.b/c]"}},
		"an element with a name":             {"c: [{name: x, image: a}]", "c: [{name: x, image: b}]", []string{"c[name=x].image"}},
		"an element without a name":          {"args: [a, b]", "args: [a, c]", []string{"args[1]"}},
		"an element whose name is another":   {"c: [{name: x}]", "c: [{name: y}]", []string{"c[0].name"}},
		"a list of another length":           {"args: [a]", "args: [a, b]", []string{"args"}},
		"a table that became a scalar":       {"a: {b: 1}", "a: 1", []string{"a"}},
		"several, in the order of the words": {"b: 1\na: 1", "b: 2\na: 2", []string{"a", "b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var before, after map[string]any
			if err := yaml.Unmarshal([]byte(tc.before), &before); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(tc.after), &after); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, differences(before, after)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
