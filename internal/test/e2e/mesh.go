package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/meshwright/meshwright/charts"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// Where InstallMesh puts what it installs.
const (
	OperatorNamespace = "meshwright-operator"
	MeshNamespace     = "mesh-system"
	IngressNamespace  = "mesh-ingress"
	// MeshName is the name of the MeshInstall.
	MeshName = "e2e"
)

// InstallMesh installs Istio's kinds and the operator, as its Helm chart has
// it, and waits until the mesh of profile demo is Ready. What is there already
// stays: packages share it.
func (c *Cluster) InstallMesh(t testing.TB) {
	t.Helper()
	c.installKinds(t)
	c.Apply(t, "", `{apiVersion: v1, kind: Namespace, metadata: {name: `+OperatorNamespace+`}}`)
	objects, err := plan.Operator(OperatorNamespace, nil)
	if err != nil {
		t.Fatal(err)
	}
	var yaml bytes.Buffer
	if err := plan.WriteYAML(&yaml, objects); err != nil {
		t.Fatal(err)
	}
	c.Apply(t, "", yaml.String())
	c.WaitRollout(t, OperatorNamespace, "deployment/meshwright-operator")
	c.Apply(t, "", `
apiVersion: meshwright.io/v1alpha1
kind: MeshInstall
metadata: {name: `+MeshName+`}
spec: {version: v0.1.0, profile: demo, deletion: {policy: Immediate}}
`)
	c.WaitMesh(t)
}

// WaitMesh waits until the MeshInstall is Ready.
func (c *Cluster) WaitMesh(t testing.TB) {
	t.Helper()
	if _, err := c.Run(t.Context(), "wait", "meshinstall/"+MeshName, "--for=condition=Ready", "--timeout", Timeout.String()); err != nil {
		status, _ := c.Run(t.Context(), "get", "meshinstall/"+MeshName, "--output", "yaml")
		pods, _ := c.Run(t.Context(), "get", "pods", "--all-namespaces", "--output", "wide")
		t.Fatalf("%v\n%s\n%s", err, status, pods)
	}
}

// installKinds applies the CRDs of Istio and of the operator's chart.
func (c *Cluster) installKinds(t testing.TB) {
	t.Helper()
	istio, err := apiserver.IstioCRDs()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(istio)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(t, "", string(text))
	kinds, err := fs.Glob(charts.Files, "operator/crds/*.yaml")
	if err != nil || len(kinds) == 0 {
		t.Fatalf("find the chart's CRDs: %v, %v", kinds, err)
	}
	for _, name := range kinds {
		if text, err = charts.Files.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		c.Apply(t, "", string(text))
	}
	c.Kubectl(t, "wait", "crd", "--all", "--for=condition=Established", "--timeout", Timeout.String())
}

// Meshwright runs a command of bin/meshwright, which `make test-e2e` builds,
// against the cluster and returns what it printed.
func (c *Cluster) Meshwright(t testing.TB, args ...string) (string, error) {
	t.Helper()
	root, err := assets.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "meshwright"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return string(printed), fmt.Errorf("meshwright %v: %w: %s", args, err, complaint.String())
	}
	return string(printed), nil
}
