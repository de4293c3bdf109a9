package view

import "github.com/meshwright/meshwright/internal/mesh"

// By these labels, which the operator gives, a pod is discovery of an install.
const (
	labelComponent     = "meshwright.io/component"
	labelInstall       = "meshwright.io/install"
	componentDiscovery = "discovery"
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
