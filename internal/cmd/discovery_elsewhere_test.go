package cmd

import (
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
	"github.com/meshwright/meshwright/internal/xds"
)

func TestARevisionIsElsewhereWhileItsDiscoveryServiceLeadsToItsPods(t *testing.T) {
	named := func(namespace, name, selects string) source.Event {
		e := source.Event{Key: mesh.Key{Kind: mesh.KindService, Namespace: namespace, Name: name}}
		if selects != "" {
			e.Value = &mesh.Service{Selector: map[string]string{revisionOfMesh: selects}}
		}
		return e
	}
	for name, tc := range map[string]struct {
		events []source.Event
		want   map[string]bool
	}{
		"its own Service leads to it": {[]source.Event{named("mesh-system", "meshwright-discovery-prod-1", "prod-1")}, map[string]bool{"prod-1": true}},
		"a retired one leads to us":   {[]source.Event{named("mesh-system", "meshwright-discovery-prod-1", "prod-2")}, nil},
		"ours is here":                {[]source.Event{named("mesh-system", "meshwright-discovery-prod-2", "prod-2")}, nil},
		"another mesh's is not ours":  {[]source.Event{named("mesh-b", "meshwright-discovery-prod-1", "prod-1")}, nil},
		"it retires again": {[]source.Event{
			named("mesh-system", "meshwright-discovery-prod-1", "prod-1"), named("mesh-system", "meshwright-discovery-prod-1", "prod-2"),
		}, nil},
		"it goes": {[]source.Event{
			named("mesh-system", "meshwright-discovery-prod-1", "prod-1"), named("mesh-system", "meshwright-discovery-prod-1", ""),
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := &discovery{flags: &discoveryFlags{namespace: "mesh-system"}, file: meshFile{Revision: "prod-2"}, elsewhere: &xds.Elsewhere{}}
			for _, e := range tc.events {
				d.sendElsewhere(e)
			}
			for _, revision := range []string{"prod-1", "prod-2"} {
				if got := d.elsewhere.Has(revision); got != tc.want[revision] {
					t.Errorf("%s is elsewhere: %v, want %v", revision, got, tc.want[revision])
				}
			}
		})
	}
}
