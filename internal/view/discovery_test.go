package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/view"
)

func TestDiscoveriesAreThoseOfTheInstallInItsNamespace(t *testing.T) {
	t.Parallel()
	store := mesh.NewStore(view.Indexes())
	add := func(namespace, name, component, install string, ips ...string) {
		store.Put(mesh.Key{Kind: mesh.KindWorkload, Namespace: namespace, Name: name}, &mesh.Workload{
			Namespace: namespace, Name: name, IPs: ips,
			Labels: map[string]string{"meshwright.io/component": component, "meshwright.io/install": install},
		})
	}
	add("mesh-system", "one", "discovery", "prod", "10.0.0.1")
	add("mesh-system", "two", "discovery", "prod", "10.0.0.2", "fd00::2")
	add("mesh-system", "starting", "discovery", "prod")
	add("mesh-system", "injector", "injector", "prod", "10.0.0.3")
	add("mesh-system", "another-mesh", "discovery", "blue", "10.0.0.4")
	add("shop", "impostor", "discovery", "prod", "10.0.0.5")
	got := map[string]bool{}
	for _, w := range view.Discoveries(store, "mesh-system", "prod") {
		got[w.Name] = true
	}
	if d := cmp.Diff(map[string]bool{"one": true, "two": true}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
