package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const podManifest = `apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations: {traffic.sidecar.istio.io/excludeInboundPorts: PORT}
spec:
  containers: [{name: a, image: example/a}]
`

// run is the command line as a person types it.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := Root()
	var out, errors bytes.Buffer
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errors)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return out.String(), errors.String(), err
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInjectWritesAllOrNothing(t *testing.T) {
	t.Parallel()
	config := write(t, "inject.yaml", "{image: example/meshwright, discoveryAddress: d:15012, revision: r, meshNamespace: mesh-system}")
	root := write(t, "root.pem", "root")
	for name, tc := range map[string]struct {
		stdin, namespace string
		// out is in the output, note in the notes, err in the error.
		out, note, err string
	}{
		"a pod is injected": {
			stdin: strings.ReplaceAll(podManifest, "PORT", `"22"`), namespace: "shop", out: "name: istio-proxy",
		},
		"the namespace of the flag counts": {
			stdin: strings.ReplaceAll(podManifest, "PORT", `"22"`), namespace: "kube-system", out: "name: a",
			note: "Pod a is left as it is: namespace kube-system is never injected",
		},
		"nothing is written when the second pod is bad": {
			stdin: strings.ReplaceAll(podManifest, "PORT", `"22"`) + "---\n" + strings.ReplaceAll(podManifest, "PORT", "ssh"), namespace: "shop",
			err: "inject Pod a: annotation traffic.sidecar.istio.io/excludeInboundPorts",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, notes, err := run(t, tc.stdin, "inject", "-f", "-", "--config", config, "--root-cert", root, "-n", tc.namespace)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || out != "" {
					t.Errorf("error %v, output %q, want no output and an error that says %q", err, out, tc.err)
				}
				return
			}
			if err != nil || !strings.Contains(out, tc.out) || !strings.Contains(notes, tc.note) {
				t.Errorf("error %v, notes %q, output:\n%s", err, notes, out)
			}
		})
	}
}

func TestRedirectDryRunPrintsTheRules(t *testing.T) {
	t.Parallel()
	annotations := write(t, "annotations", "traffic.sidecar.istio.io/excludeInboundPorts=\"2222\"\n")
	out, _, err := run(t, "", "redirect", "--dry-run", "--annotations-file", annotations)
	if err != nil || !strings.Contains(out, "tcp dport 2222 return\n") {
		t.Errorf("error %v, output:\n%s", err, out)
	}
}
