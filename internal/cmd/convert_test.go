package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs the command line with a standard input.
func runLine(t *testing.T, stdin string, args ...string) (out, stderr string, err error) {
	t.Helper()
	root := subcommands()
	var o, e bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&o)
	root.SetErr(&e)
	err = root.Execute()
	return o.String(), e.String(), err
}

const oldOperator = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: prod, namespace: istio-system}
spec:
  profile: minimal
  tag: 1.22.0
  meshConfig: {trustDomain: shop.example}
`

func TestConvertPrintsWhatRenderTakes(t *testing.T) {
	out, stderr, err := runLine(t, oldOperator, "convert", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	want := "apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata:\n  name: prod\nspec:\n  meshConfig:\n    trustDomain: shop.example\n  profile: minimal\n  version: v0.1.0\n"
	if out != want {
		t.Errorf("output is\n%s", out)
	}
	if !strings.HasPrefix(stderr, "To be looked at, 1 in all:\n  spec.tag: 1.22.0\n      leave it out") {
		t.Errorf("standard error is\n%s", stderr)
	}
	rendered, _, err := runLine(t, out, "render", "-f", "-")
	if err != nil || !strings.Contains(rendered, "shop.example") {
		t.Errorf("rendering it: %v", err)
	}
}

func TestConvertReadsValuesOfCharts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base, istiod, gateway := write("base.yaml", "global: {istioNamespace: istio-system, imagePullPolicy: Always}\n"), write("istiod.yaml", "global: {imagePullPolicy: Never}\n"), write("gateway.yaml", "service: {type: ClusterIP}\n")
	report := filepath.Join(dir, "report.txt")
	out, stderr, err := runLine(t, "", "convert", "--from", "helm-values", "-f", base, "-f", istiod, "--gateway", "edge/ingressgateway="+gateway, "--name", "shop", "--report", report, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"name": "shop"`, `"imagePullPolicy": "Never"`, `"namespace": "edge"`, `"type": "ClusterIP"`} {
		if !strings.Contains(out, part) {
			t.Errorf("%s is not in\n%s", part, out)
		}
	}
	text, err := os.ReadFile(report)
	if err != nil || stderr != "" || !strings.Contains(string(text), "global.istioNamespace: istio-system") {
		t.Errorf("the report is %q, the standard error %q: %v", text, stderr, err)
	}
}

func TestConvertNamesFileObjectAndField(t *testing.T) {
	cases := map[string]struct {
		in   string
		args []string
		says string
	}{
		"no file":                         {"", nil, "give one file with -f FILE"},
		"what is no YAML":                 {"a: [", []string{"-f", "-"}, "read -: "},
		"a key twice":                     {"kind: IstioOperator\nkind: Istio\n", []string{"-f", "-"}, `key "kind" already set`},
		"nothing":                         {"# later\n", []string{"-f", "-"}, "there is no object in it"},
		"another object":                  {"kind: Namespace\nmetadata: {name: shop}\n", []string{"-f", "-"}, "Namespace shop is not an IstioOperator nor an Istio; take it out"},
		"two objects":                     {oldOperator + "---\n" + oldOperator, []string{"-f", "-"}, "IstioOperator istio-system/prod is a second object"},
		"a wrong field":                   {"kind: Istio\nmetadata: {name: default}\nspec: {updateStrategy: {type: 1}}\n", []string{"-f", "-"}, "convert -: Istio default: spec.updateStrategy.type: 1 is not a text"},
		"what the CRD would take no more": {"kind: Istio\nmetadata: {name: default}\nspec: {values: {global: {imagePullPolicy: Often}}}\n", []string{"-f", "-"}, "convert -: Istio default: the MeshInstall that comes of it cannot be rendered: spec.values.imagePullPolicy"},
		"a gateway without a file":        {"", []string{"--from", "helm-values", "--gateway", "edge/a"}, `--gateway "edge/a" is not NAMESPACE/RELEASE=FILE`},
		"a gateway beside an object":      {"", []string{"-f", "-", "--gateway", "edge/a=b"}, "--gateway goes with --from helm-values"},
		"a form that there is not":        {"", []string{"-f", "-", "--from", "istioctl"}, `--from "istioctl" is neither objects nor helm-values`},
		"an output that there is not":     {"", []string{"-f", "-", "-o", "table"}, `output "table" is neither yaml nor json`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, _, err := runLine(t, tc.in, append([]string{"convert"}, tc.args...)...)
			if err == nil || !strings.Contains(err.Error(), tc.says) || out != "" {
				t.Errorf("error is %v, output %q", err, out)
			}
		})
	}
}
