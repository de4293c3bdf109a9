package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Locality is a place: the node's labels of the same names.
type Locality struct {
	Region, Zone, Subzone string
}

// String is region/zone/subzone, "" for nowhere.
func (p Locality) String() string {
	if p == (Locality{}) {
		return ""
	}
	return p.Region + "/" + p.Zone + "/" + p.Subzone
}

// localityOf is where a node stands; zone is used if the node is not known.
func localityOf(l mesh.Lookup, node, zone string) Locality {
	if node != "" {
		if n, ok := l.Get(mesh.Key{Kind: mesh.KindNode, Name: node}).(*mesh.Node); ok {
			return Locality{n.Region, n.Zone, n.Subzone}
		}
	}
	return Locality{Zone: zone}
}

// ProxyLocality asks where the proxy is.
func ProxyLocality(r mesh.Reader) Locality {
	parts := strings.SplitN(r.Value(mesh.Fact{Kind: mesh.FactLocality}), "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return Locality{parts[0], parts[1], parts[2]}
}

// Distance counts how far apart two places are: 0 the same subzone, 1 the same
// zone, 2 the same region, 3 elsewhere. Nowhere is far from everywhere.
func (p Locality) Distance(o Locality) int {
	switch {
	case p.Region != o.Region || p == (Locality{}):
		return 3
	case p.Zone != o.Zone:
		return 2
	case p.Subzone != o.Subzone:
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
