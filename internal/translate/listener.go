package translate

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// listenerNames are the listeners that a value gives rise to.
func listenerNames(l mesh.Lookup, k mesh.Key) []string {
	var names []string
	switch v := l.Get(k).(type) {
	case *mesh.Service:
		for _, p := range v.Ports {
			if p.Protocol.IsHTTP() {
				names = append(names, listenerName(anyAddress, p.Number))
			} else if p.Protocol != mesh.ProtocolUDP {
				for _, ip := range v.Addresses {
					names = append(names, listenerName(ip, p.Number))
				}
			}
		}
		for _, port := range unknownPorts(v) {
			names = append(names, unknownListenerName(port))
		}
	case *mesh.Workload:
		for _, p := range v.Ports {
			names = append(names, unknownListenerName(p.Number))
		}
	case *mesh.EndpointSlice:
		for _, e := range view.HeadlessAddresses(l, v) {
			names = append(names, listenerName(e.Address, e.Port))
		}
	case *mesh.Gateway:
		for i := range v.Servers {
			for _, port := range view.ListenPorts(l, v, v.Servers[i].Port) {
				names = append(names, listenerName(anyAddress, port))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// listener implements resource.Build.
func listener(r mesh.Reader, name string) resource.Built {
	address, port, ok := parseListener(name)
	if view.IsRouter(r) {
		if !ok || address != anyAddress {
			return resource.Built{}
		}
		return gatewayListener(r, name, port)
	}
	if port, ok := parseUnknownListener(name); ok {
		return unknownListener(r, name, port)
	}
	switch {
	case name == virtualOutbound:
		return outboundCapture(r)
	case name == virtualInbound:
		return inboundCapture(r)
	case !ok:
		return resource.Built{}
	case address == anyAddress:
		return httpListener(r, name, port)
	}
	return addressListener(r, name, address, port)
}

// clusters turns names into references.
func clusters(names ...string) []resource.Name {
	out := make([]resource.Name, 0, len(names))
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		out = append(out, resource.Name{Type: resource.Cluster, Name: n})
	}
	return out
}
