package view

import (
	"reflect"
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// KindSources is the derived kind of the one value *Sources, at SourcesKey.
const KindSources mesh.Kind = "Sources"

// SourcesKey is where the one Sources is.
var SourcesKey = mesh.Key{Kind: KindSources, Name: "pods"}

// Sources are the addresses from which pods of the mesh, and other pods, call.
// What stands in neither list is not known. Each is sorted.
type Sources struct {
	Meshed, Other []string
}

// Equal implements mesh.Value.
func (s *Sources) Equal(o mesh.Value) bool { return reflect.DeepEqual(mesh.Value(s), o) }

// KnownSources are the addresses of all pods. Only who must tell clients apart
// before they speak may ask: the answer changes with each pod.
func KnownSources(l mesh.Lookup) *Sources {
	if s, ok := l.Get(SourcesKey).(*Sources); ok {
		return s
	}
	return &Sources{}
}

// sources computes KindSources.
func sources(l mesh.Lookup, _ mesh.Key) mesh.Value {
	out := &Sources{}
	for _, k := range l.List(allWorkloads) {
		w, ok := l.Get(k).(*mesh.Workload)
		switch {
		case !ok:
		case w.Meshed:
			out.Meshed = append(out.Meshed, w.IPs...)
		default:
			out.Other = append(out.Other, w.IPs...)
		}
	}
	for _, list := range []*[]string{&out.Meshed, &out.Other} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}
