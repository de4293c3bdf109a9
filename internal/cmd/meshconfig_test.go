package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/mesh"
)

// TestDiscoveryReadsWhatTheChartWrites keeps the two ends of the file together.
func TestDiscoveryReadsWhatTheChartWrites(t *testing.T) {
	t.Parallel()
	p, err := plan.New(plan.Input{Install: "prod", Spec: v1alpha1.MeshInstallSpec{Version: "v0.1.0", Profile: "demo"}})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, o := range p.RevisionSet {
		data, _ := o.Object["data"].(map[string]any)
		if found, ok := data["mesh.yaml"].(string); ok {
			text = found
		}
	}
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := readMeshFile(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := &mesh.Config{
		TrustDomain: "cluster.local", ClusterID: "Kubernetes", ClusterDomain: "cluster.local",
		RootNamespace: "mesh-system", MTLS: mesh.MTLSPermissive, OutboundAllowAny: true,
	}
	if diff := cmp.Diff(want, file.config()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"mesh-egress", "mesh-ingress"}, file.GatewayNamespaces); diff != "" {
		t.Errorf("gateway namespaces (-want +got):\n%s", diff)
	}
	if file.Install != "prod" || !strings.HasPrefix(file.Revision, "prod-") {
		t.Errorf("install %q, revision %q", file.Install, file.Revision)
	}
}

func TestBadMeshFilesAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a key that does not exist": {"trustDomian: x\n", "trustDomian"},
		"a mode that does not":      {"mtls: Sometimes\n", "mtls is Disable, Permissive or Strict"},
		"a policy that does not":    {"outboundTrafficPolicy: Maybe\n", "AllowAny or RegistryOnly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "mesh.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readMeshFile(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}
