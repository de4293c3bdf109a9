package view

import "github.com/meshwright/meshwright/internal/mesh"

// Withdrawn reports whether no slice gives new requests to a pod (the key of a
// Workload). What a client falls back to where a service has no other endpoint
// does not count.
func Withdrawn(l mesh.Lookup, pod mesh.Key) bool {
	w, ok := l.Get(pod).(*mesh.Workload)
	if !ok {
		return true
	}
	for _, ip := range w.IPs {
		for _, k := range l.List(slicesOfAddress(ip)) {
			slice, ok := l.Get(k).(*mesh.EndpointSlice)
			if !ok {
				continue
			}
			for i := range slice.Endpoints {
				if e := &slice.Endpoints[i]; e.Ready && e.Workload == pod {
					return false
				}
			}
		}
	}
	return true
}
