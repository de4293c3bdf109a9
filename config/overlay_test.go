package config_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// chart is what charts/operator installs with these values.
func chart(t *testing.T, values map[string]any) []*unstructured.Unstructured {
	t.Helper()
	objects, err := plan.Operator(operatorNamespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

var (
	monitored = map[string]any{"monitoring": map[string]any{"enabled": true}}
	guarded   = map[string]any{"networkPolicy": map[string]any{"enabled": true}}
	several   = map[string]any{"operandNamespaces": map[string]any{"mesh": []any{"mesh-blue", "mesh-green"}, "gateways": []any{"edge"}}}
)

func TestRenderedPartsOfOverlaysAreWhatTheChartRenders(t *testing.T) {
	isMonitoring := func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "ConfigMap" || o.GroupVersionKind().Group == "monitoring.coreos.com"
	}
	for file, part := range map[string]struct {
		values map[string]any
		is     func(*unstructured.Unstructured) bool
	}{
		"monitoring/monitoring.yaml":                 {monitored, isMonitoring},
		"overlays/several-namespaces/operands.yaml":  {several, isOperand},
		"overlays/network-policy/networkpolicy.yaml": {guarded, func(o *unstructured.Unstructured) bool { return o.GetKind() == "NetworkPolicy" }},
	} {
		objects := slices.DeleteFunc(chart(t, part.values), func(o *unstructured.Unstructured) bool { return !part.is(o) })
		var out bytes.Buffer
		out.WriteString("# Rendered from charts/operator by make golden; edit it there.\n")
		if err := plan.WriteYAML(&out, objects); err != nil {
			t.Fatal(err)
		}
		golden.Text(t, file, out.Bytes())
	}
}

func TestOverlaysInstallWhatTheChartDoes(t *testing.T) {
	cases := map[string]map[string]any{
		"own-registry":       {"image": "registry.internal:5000/mesh/meshwright:v0.1.0"},
		"several-namespaces": several,
		"monitoring":         monitored,
		"network-policy":     guarded,
	}
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			want := map[string]map[string]any{}
			for _, o := range chart(t, values) {
				want[key(o)] = o.Object
			}
			got := build(t, "overlays/"+name)
			for _, extra := range []string{
				"Namespace /" + operatorNamespace, "CustomResourceDefinition /meshinstalls.meshwright.io", "CustomResourceDefinition /meshrevisions.meshwright.io",
			} {
				if got[extra] == nil {
					t.Errorf("it has no %s", extra)
				}
				delete(got, extra)
			}
			sortVariables(got)
			sortVariables(want)
			if d := cmp.Diff(got, want); d != "" {
				t.Errorf("config/overlays/%s (-) and charts/operator (+) differ:\n%s", name, d)
			}
		})
	}
}

// sortVariables puts the operator's variables in order: a patch moves those that
// it sets to the front, and none refers to another.
func sortVariables(objects map[string]map[string]any) {
	spec := objects["Deployment "+operatorNamespace+"/meshwright-operator"]["spec"]
	containers := spec.(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)
	slices.SortFunc(containers[0].(map[string]any)["env"].([]any), func(a, b any) int {
		return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
	})
}
