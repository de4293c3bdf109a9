package translate_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// goldenCase is the first document of an input: which proxy, and what of its
// resources the case is about.
type goldenCase struct {
	Proxy struct {
		Type      string `json:"type"`
		Namespace string `json:"namespace"`
		Pod       string `json:"pod"`
	} `json:"proxy"`
	// Show limits the output to resources whose name is, or begins with, one
	// of these.
	Show []string `json:"show"`
	// Mesh overrides the mesh-wide settings.
	Mesh struct {
		MTLS         mesh.MTLSMode `json:"mtls"`
		RegistryOnly bool          `json:"registryOnly"`
	} `json:"mesh"`
}

var suffixes = map[resource.TypeURL]string{
	resource.Cluster:     ".clusters.yaml",
	resource.Endpoints:   ".endpoints.yaml",
	resource.Listener:    ".listeners.yaml",
	resource.Route:       ".routes.yaml",
	resource.VirtualHost: ".virtualhosts.yaml",
	resource.Secret:      ".secrets.yaml",
}

// TestGolden tells each rule as one story: <case>.in.yaml holds objects as users
// write them, the other files what one proxy gets.
func TestGolden(t *testing.T) {
	t.Parallel()
	golden.Cases(t, "testdata", func(t *testing.T, base string, in []byte) {
		documents := golden.Documents(in)
		var c goldenCase
		if err := yaml.UnmarshalStrict(documents[0], &c); err != nil {
			t.Fatal(err)
		}
		m := withConfig(meshtest.Read(t, documents[1:]), c)
		got := m.Resources(t, mesh.Proxy{Type: c.Proxy.Type, Namespace: c.Proxy.Namespace, Pod: c.Proxy.Pod})
		shown := 0
		for kind, suffix := range suffixes {
			var list []proto.Message
			for _, name := range got.Names(kind) {
				if slices.ContainsFunc(c.Show, func(s string) bool { return strings.HasPrefix(name, s) }) {
					list = append(list, got[kind][name])
				}
			}
			if len(list) > 0 {
				golden.Proto(t, base+suffix, list)
				shown += len(list)
			}
		}
		if problems := append(m.Problems, m.DerivedProblems()...); len(problems) > 0 {
			golden.YAML(t, base+".problems.yaml", problems)
		}
		if shown == 0 {
			t.Error("the case shows nothing")
		}
	})
}

// withConfig adds the mesh-wide settings.
func withConfig(m *meshtest.Mesh, c goldenCase) *meshtest.Mesh {
	config := &mesh.Config{
		TrustDomain: "cluster.local", ClusterID: "Kubernetes", ClusterDomain: meshtest.Domain,
		RootNamespace: "mesh-system", MTLS: c.Mesh.MTLS, OutboundAllowAny: !c.Mesh.RegistryOnly,
	}
	out := meshtest.New(append(m.Changes(), mesh.Change{Key: mesh.ConfigKey, Value: config})...)
	out.Problems = m.Problems
	return out
}
