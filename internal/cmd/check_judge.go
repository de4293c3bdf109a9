package cmd

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/view"
)

// certain are the reasons that other files cannot refute; the rest, as that no
// such Service exists, need the whole cluster.
var certain = []string{view.ReasonHostClaimed, view.ReasonPortConflict}

// judge collects the Problems that objects have of themselves and those in the
// light of each other, of which only the certain ones count if the objects are
// not the whole cluster. Of several objects with one key the last counts.
func judge(clusterDomain string, objects []checkedObject, whole bool) []finding {
	newest := map[mesh.Key]checkedObject{}
	for _, o := range objects {
		newest[o.key] = o
	}
	world := newDerived(clusterDomain, newest)
	slices.SortStableFunc(objects, func(a, b checkedObject) int { return a.key.Compare(b.key) })
	var out []finding
	for i, o := range objects {
		// A file replaces what the cluster holds; each of several files is judged.
		if o.file != "" || newest[o.key].file == "" {
			for _, p := range o.problems {
				out = append(out, found(p, o.file))
			}
		}
		if i+1 < len(objects) && objects[i+1].key == o.key {
			continue
		}
		if p, ok := world.Get(mesh.ProblemsKey(o.key)).(*mesh.Problems); ok {
			for _, p := range p.List {
				if whole || slices.Contains(certain, p.Reason) {
					out = append(out, found(p, o.file))
				}
			}
		}
	}
	return out
}

// derived is a store with its derivations computed on demand: what the engine
// does, once and without proxies. It implements mesh.Lookup.
type derived struct {
	*mesh.Store
	compute map[mesh.Kind]func(mesh.Lookup, mesh.Key) mesh.Value
	known   map[mesh.Key]mesh.Value
}

func newDerived(clusterDomain string, objects map[mesh.Key]checkedObject) *derived {
	d := &derived{
		Store:   mesh.NewStore(view.Indexes()),
		compute: map[mesh.Kind]func(mesh.Lookup, mesh.Key) mesh.Value{},
		known:   map[mesh.Key]mesh.Value{},
	}
	for _, derivation := range view.Derivations() {
		d.compute[derivation.Kind] = derivation.Compute
	}
	for key, o := range objects {
		if o.value != nil {
			d.Put(key, o.value)
		}
	}
	config := *view.Config(d)
	config.ClusterDomain = clusterDomain
	d.Put(mesh.ConfigKey, &config)
	return d
}

// Get implements mesh.Lookup.
func (d *derived) Get(key mesh.Key) mesh.Value {
	compute := d.compute[key.Kind]
	if compute == nil {
		return d.Store.Get(key)
	}
	value, ok := d.known[key]
	if !ok {
		value = compute(d, key)
		d.known[key] = value
	}
	return value
}
