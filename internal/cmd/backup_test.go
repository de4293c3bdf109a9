package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// runRoot runs the command line and returns what it printed.
func runRoot(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := Root()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestBackupAndRestoreByCommandLine(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mesh-system")
	if err := c.InstallCRDs("../../config/crd/bases"); err != nil {
		t.Fatal(err)
	}
	c.apply(t, `
apiVersion: meshwright.io/v1alpha1
kind: MeshInstall
metadata: {name: prod}
spec: {version: v0.1.0}
---
{apiVersion: v1, kind: Secret, metadata: {name: meshwright-ca, namespace: mesh-system}, stringData: {current.key: secret}}`)
	dir := t.TempDir()
	kubeconfig := "--kubeconfig=" + c.Kubeconfig
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, file := filepath.Join(dir, "key.txt"), filepath.Join(dir, "mesh.age")
	if err := os.WriteFile(key, []byte(identity.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := runRoot(t, "backup", "-o", file, kubeconfig); err == nil || !strings.Contains(err.Error(), "--recipient") {
		t.Errorf("a backup of the key without encryption: %s %v", out, err)
	}
	to := []string{"backup", "-o", file, "--recipient", identity.Recipient().String(), kubeconfig}
	if out, err := runRoot(t, to...); err != nil || out != "2 objects saved in "+file+"\n" {
		t.Fatalf("backup: %s %v", out, err)
	}
	if _, err := runRoot(t, to...); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a backup over another: %v", err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	out, err := runRoot(t, "restore", "-f", file, "-i", key, "--dry-run=server", kubeconfig)
	want := "secret/meshwright-ca -n mesh-system unchanged (server dry run)\nmeshinstall.meshwright.io/prod unchanged (server dry run)\n"
	if err != nil || out != want {
		t.Errorf("restore printed %q, %v; want %q", out, err, want)
	}
}
