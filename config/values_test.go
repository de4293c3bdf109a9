package config_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestChartRefusesValuesThatCannotBe(t *testing.T) {
	cases := map[string]struct {
		values string
		// says is in the error; empty for what is taken.
		says string
	}{
		"none":                              {"", ""},
		"an image by digest":                {"image: registry.internal:5000/meshwright@sha256:" + strings.Repeat("0f", 32), ""},
		"an image by tag and digest":        {"image: docker.io/meshwright/meshwright:v0.1.0@sha256:" + strings.Repeat("0f", 32), ""},
		"no namespaces":                     {"operandNamespaces: {mesh: [], gateways: []}", ""},
		"everything":                        {"imagePullPolicy: Always\nreplicas: 2\nresources: {limits: {cpu: 1, memory: 1Gi}}\ncreateNamespaces: false\nmonitoring: {enabled: true, labels: {release: prometheus}}", ""},
		"as a part of another chart":        {"global: {a: b}", ""},
		"gateways of a mesh":                {"operandNamespaces: {mesh: [a, b], gateways: [c], gatewaysOf: {a: [c], b: []}}", ""},
		"gateways of a mesh in one string":  {"operandNamespaces: {mesh: [a], gateways: [c], gatewaysOf: {a: c}}", "/operandNamespaces/gatewaysOf/a"},
		"a value that does not exist":       {"replica: 2", "additional properties 'replica' not allowed"},
		"a namespace in capitals":           {"operandNamespaces: {mesh: [Mesh], gateways: []}", "/operandNamespaces/mesh/0"},
		"a namespace twice":                 {"operandNamespaces: {mesh: [a, a], gateways: []}", "/operandNamespaces/mesh"},
		"namespaces in one string":          {"operandNamespaces: {mesh: 'a,b', gateways: []}", "/operandNamespaces/mesh"},
		"replicas in a string":              {"replicas: '2'", "/replicas"},
		"a pull policy in small letters":    {"imagePullPolicy: always", "/imagePullPolicy"},
		"an image with a space":             {"image: a b", "/image"},
		"an image with half a digest":       {"image: a@sha256:0f", "/image"},
		"resources that Kubernetes has not": {"resources: {request: {cpu: 1}}", "additional properties 'request' not allowed"},
		"a label that is a number":          {"monitoring: {enabled: true, labels: {a: 1}}", "/monitoring/labels/a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(tc.values), &values); err != nil {
				t.Fatal(err)
			}
			_, err := plan.Operator(operatorNamespace, values)
			if tc.says == "" && err != nil {
				t.Errorf("they are refused: %v", err)
			}
			if tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("error is %v, want %q in it", err, tc.says)
			}
		})
	}
}

// Who reads the TLS Secrets of a gateway's namespace: the meshes that may have
// gateways there, and no others.
func TestAMeshReadsTheSecretsOfItsOwnGateways(t *testing.T) {
	for name, tc := range map[string]struct {
		of   map[string]any
		want []string
	}{
		"all meshes, unless something is said": {map[string]any{}, []string{"a edge-a", "a edge-b", "b edge-a", "b edge-b"}},
		"each its own":                         {map[string]any{"a": []any{"edge-a"}, "b": []any{"edge-b"}}, []string{"a edge-a", "b edge-b"}},
		"one has none":                         {map[string]any{"b": []any{}}, []string{"a edge-a", "a edge-b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, o := range chart(t, map[string]any{"operandNamespaces": map[string]any{
				"mesh": []any{"a", "b"}, "gateways": []any{"edge-a", "edge-b"}, "gatewaysOf": tc.of,
			}}) {
				role, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
				subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
				if role == "meshwright-discovery-gateways" {
					got = append(got, subjects[0].(map[string]any)["namespace"].(string)+" "+o.GetNamespace())
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
