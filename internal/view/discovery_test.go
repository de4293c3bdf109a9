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

func TestARevisionHasItsOwnDiscoveryWhileItsServiceLeadsToItsPods(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		namespace, name, selects string
		revision                 string
		own, ok                  bool
	}{
		"its Service leads to it":                  {"mesh-system", "meshwright-discovery-prod-1", "prod-1", "prod-1", true, true},
		"that of a retired one leads away":         {"mesh-system", "meshwright-discovery-prod-1", "prod-2", "prod-1", false, true},
		"its Service is deleted":                   {"mesh-system", "meshwright-discovery-prod-1", "", "prod-1", false, true},
		"another mesh's is not ours":               {"mesh-b", "meshwright-discovery-prod-1", "prod-1", "", false, false},
		"that of all revisions is of none":         {"mesh-system", "meshwright-discovery", "prod-1", "", false, false},
		"another Service that leads to pods of it": {"mesh-system", "other", "prod-1", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *mesh.Service
			if tc.selects != "" {
				s = &mesh.Service{Selector: map[string]string{"meshwright.io/revision": tc.selects}}
			}
			k := mesh.Key{Kind: mesh.KindService, Namespace: tc.namespace, Name: tc.name}
			revision, own, ok := view.DiscoveryOf("mesh-system", k, s)
			if revision != tc.revision || own != tc.own || ok != tc.ok {
				t.Errorf("got %q %v %v, want %q %v %v", revision, own, ok, tc.revision, tc.own, tc.ok)
			}
		})
	}
}
