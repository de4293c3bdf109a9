package view

import (
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// By these labels, which the operator gives, a pod is discovery of an install,
// and of a revision. The name of a revision's discovery Service begins so.
const (
	labelComponent     = "meshwright.io/component"
	labelInstall       = "meshwright.io/install"
	labelRevision      = "meshwright.io/revision"
	componentDiscovery = "discovery"
	discoveryService   = "meshwright-discovery-"
)

// Discoveries are the pods of a namespace that are discovery of an install, of
// whatever revision. Each has an address.
func Discoveries(l mesh.Lookup, namespace, install string) []*mesh.Workload {
	var out []*mesh.Workload
	for _, k := range l.List(discoveriesOf(namespace, install)) {
		if w, ok := l.Get(k).(*mesh.Workload); ok && len(w.IPs) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// DiscoveryOf is the revision by whose name its proxies find discovery, if a
// Service of a namespace is that, and whether it leads to pods of the revision:
// that of a retired one leads to those that serve. The Service is nil where it was
// deleted.
func DiscoveryOf(namespace string, k mesh.Key, s *mesh.Service) (revision string, own, ok bool) {
	revision, ok = strings.CutPrefix(k.Name, discoveryService)
	if !ok || k.Kind != mesh.KindService || k.Namespace != namespace {
		return "", false, false
	}
	return revision, s != nil && s.Selector[labelRevision] == revision, true
}
