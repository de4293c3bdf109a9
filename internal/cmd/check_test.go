package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// runCheck runs the command and returns its exit code and output.
func runCheck(t *testing.T, stdin string, args ...string) (code int, out string) {
	t.Helper()
	root := Root()
	var buffer bytes.Buffer
	root.SetOut(&buffer)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(append([]string{"check"}, args...))
	err := root.ExecuteContext(t.Context())
	if code = ExitCode(err); code == 2 {
		return code, err.Error()
	}
	return code, buffer.String()
}

const (
	goodRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: back, namespace: shop}
spec: {hosts: [back], http: [{route: [{destination: {host: back}}]}]}
`
	partialRoute = `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: back, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  hosts: [back]
  http:
  - fault: {abort: {httpStatus: 500, percent: 10}}
    route: [{destination: {host: back}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: none-of-ours}
`
)

func TestCheckOfFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		input string
		args  []string
		code  int
		// rows are the words of the table's rows but the message.
		rows []string
	}{
		"a good file is no line and exit code 0": {goodRoute, nil, 0, nil},
		"what is not served is named and exit code 1": {partialRoute, []string{"-n", "team"}, 1, []string{
			"AuthorizationPolicy team/deny - KindNotServed",
			"VirtualService team/back spec.http[0].fault.abort Suspicious",
			"VirtualService team/back spec.http[0].fault.abort.percent UnknownField",
		}},
		"an older object that claims the host is found among the files": {
			strings.ReplaceAll(partialRoute, "name: back,", "name: first,") + "---" + strings.ReplaceAll(goodRoute, "namespace: shop", "namespace: default, creationTimestamp: \"2026-02-02T00:00:00Z\""), nil, 1, []string{
				"AuthorizationPolicy default/deny - KindNotServed",
				"VirtualService default/back spec.hosts[0] HostClaimed",
				"VirtualService default/first spec.http[0].fault.abort Suspicious",
				"VirtualService default/first spec.http[0].fault.abort.percent UnknownField",
			}},
		"what cannot be read does not hide the rest": {
			"a: b: c\n---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {portz: []}\n---\napiVersion: rbac.istio.io/v1alpha1\nkind: ServiceRole\nmetadata: {name: old}\n", nil, 1, []string{
				"Service default/document Unreadable",
				"ServiceRole default/old - KindGone",
				"YAML default/document Unreadable",
			}},
		"a List is taken apart": {`{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "networking.istio.io/v1", "kind": "EnvoyFilter", "metadata": {"name": "a"}}]}`, nil, 1, []string{
			"EnvoyFilter default/a - KindNotServed",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out := runCheck(t, test.input, append(test.args, "-f", "-", "-o", "json")...)
			if code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, out)
			}
			var findings []finding
			if err := json.Unmarshal([]byte(out), &findings); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var rows []string
			for _, f := range findings {
				field := f.Field
				if field == "" {
					field = "-"
				}
				rows = append(rows, f.Kind+" "+f.Namespace+"/"+f.Name+" "+field+" "+f.Reason)
				if f.Message == "" || f.File != "-" {
					t.Errorf("finding %+v", f)
				}
			}
			for i, row := range test.rows {
				if strings.HasSuffix(row, "document Unreadable") && i < len(rows) && strings.HasSuffix(rows[i], "Unreadable") {
					rows[i] = row
				}
			}
			if diff := cmp.Diff(test.rows, rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckReadsFoldersAndPrintsATable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"a/bad.yaml": partialRoute, "good.yml": goodRoute, "readme.txt": "a: b: c"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out := runCheck(t, "", "-f", dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(lines) != 4 || !strings.HasPrefix(lines[0], "KIND ") ||
		!strings.Contains(lines[1], "NOT ENFORCED") || !strings.HasPrefix(lines[2], "VirtualService        default/back     spec.http[0].fault.abort ") {
		t.Errorf("code %d\n%s", code, out)
	}
	if code, out := runCheck(t, "", "-f", filepath.Join(dir, "none.yaml")); code != 2 || !strings.Contains(out, "none.yaml") {
		t.Errorf("a file that is not there: %d %s", code, out)
	}
	if code, out := runCheck(t, "", "-f", dir, "-o", "xml"); code != 2 || !strings.Contains(out, "xml") {
		t.Errorf("a format that is not there: %d %s", code, out)
	}
}

func TestCheckOfAClusterSeesObjectsInTheLightOfEachOther(t *testing.T) {
	t.Parallel()
	server := apiserver.Start(t, apiserver.WithIstioCRDs())
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", goodRoute} {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	code, out := runCheck(t, "", "--kubeconfig", server.Kubeconfig)
	if code != 1 || !strings.Contains(out, "‼ no object is refused\n    VirtualService shop/back spec.http[0].route[0].destination.host: HostNotFound") || !strings.Contains(out, "× those of Meshwright are there") {
		t.Errorf("code %d\n%s", code, out)
	}
	// The file brings the Service, and only files are spoken of.
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: back, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n"
	other := strings.ReplaceAll(goodRoute, "name: back,", "name: younger,")
	code, out = runCheck(t, service+"---"+other, "--kubeconfig", server.Kubeconfig, "--cluster", "-f", "-")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 1 || len(lines) != 2 || !strings.Contains(lines[1], "HostClaimed") {
		t.Errorf("code %d\n%s", code, out)
	}
	code, out = runCheck(t, service, "--kubeconfig", server.Kubeconfig, "--cluster", "-f", "-")
	if code != 0 || out != "" {
		t.Errorf("code %d\n%s", code, out)
	}
	if code, _ := runCheck(t, "", "--kubeconfig", filepath.Join(t.TempDir(), "none")); code != 2 {
		t.Errorf("without a kubeconfig: code %d", code)
	}
}
