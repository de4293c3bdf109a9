package cmd

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// crowded has lists and tables in many places, so that an order that a process
// chooses would show.
const crowded = `
spec:
  version: v0.1.0
  profile: demo
  tags: [stable, default, canary]
  values:
    clusterID: east
    proxy: {logLevel: info, resources: {requests: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi}, limits: {memory: 2Gi, cpu: 2}}}
  images: {registry: registry.example/mirror, pullSecrets: [b, a]}
  components:
    gateways:
    - {name: b, namespace: mesh-egress, kind: Egress}
    - {name: a, namespace: mesh-ingress, kind: Ingress, service: {ports: [{name: why, port: 8443}, {name: x, port: 80}]}}
  patches:
  - target: {kind: Deployment, name: discovery}
    patch: "{metadata: {annotations: {z: one, a: two, m: three}}}"
`

// TestMain lets this binary be the command, so that a test can run it in a
// process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("MESHWRIGHT_TEST_RUN") == "" {
		os.Exit(m.Run())
	}
	root := Root()
	root.SetArgs(os.Args[1:])
	if err := root.Execute(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(ExitCode(err))
	}
	os.Exit(0)
}

func TestTwoProcessesRenderEqualBytes(t *testing.T) {
	t.Parallel()
	inProcess := func() string {
		c := exec.Command(os.Args[0], "render", "-f", "-")
		c.Env = append(os.Environ(), "MESHWRIGHT_TEST_RUN=1")
		c.Stdin, c.Stderr = strings.NewReader(diffHead+crowded), os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := inProcess()
	if !strings.Contains(first, "z: one") || !strings.Contains(first, "registry.example/mirror/meshwright/meshwright:v0.1.0") {
		t.Fatalf("it rendered something else:\n%s", first)
	}
	for range 3 {
		if inProcess() != first {
			t.Fatal("two processes render different bytes")
		}
	}
}

func TestRenderShowsTheOutcomeOfAllDefaults(t *testing.T) {
	out, _, err := run(t, diffHead+"spec: {version: v0.1.0, valuesFrom: [{kind: Secret, name: a, key: b}]}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {b: \"proxy: {logLevel: info}\"}", "render", "--values", "-f", "-")
	for _, part := range []string{"logLevel: info", "mtls: Permissive", "strategy: InPlace", "progressDeadline: 30m0s", "revision: prod-"} {
		if err != nil || !strings.Contains(out, part) {
			t.Fatalf("error is %v, want %q in\n%s", err, part, out)
		}
	}
	_, _, err = run(t, diffHead+"spec: {version: v0.1.0, valuesFrom: [{kind: Secret, name: a}]}", "render", "-f", "-")
	if want := `spec.valuesFrom: add Secret a with the key "values.yaml" to the file`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q in it", err, want)
	}
}
