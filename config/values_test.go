package config_test

import (
	"strings"
	"testing"

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
