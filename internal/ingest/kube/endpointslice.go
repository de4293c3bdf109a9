package kube

import (
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/meshwright/meshwright/internal/mesh"
)

// EndpointSlice is the mesh value of a slice, nil for one that belongs to no
// Service or holds names instead of addresses.
func EndpointSlice(s *discoveryv1.EndpointSlice) *mesh.EndpointSlice {
	service := s.Labels[discoveryv1.LabelServiceName]
	if service == "" || s.AddressType == discoveryv1.AddressTypeFQDN {
		return nil
	}
	out := &mesh.EndpointSlice{Namespace: s.Namespace, Name: s.Name, Service: service}
	for _, p := range s.Ports {
		if p.Port == nil {
			continue
		}
		port := mesh.EndpointPort{Number: *p.Port}
		if p.Name != nil {
			port.Name = *p.Name
		}
		out.Ports = append(out.Ports, port)
	}
	for i := range s.Endpoints {
		if len(s.Endpoints[i].Addresses) > 0 {
			out.Endpoints = append(out.Endpoints, endpoint(s.Namespace, &s.Endpoints[i]))
		}
	}
	slices.SortFunc(out.Endpoints, func(a, b mesh.Endpoint) int {
		return strings.Compare(a.Addresses[0], b.Addresses[0])
	})
	return out
}

func endpoint(namespace string, e *discoveryv1.Endpoint) mesh.Endpoint {
	c := e.Conditions
	out := mesh.Endpoint{
		Addresses: e.Addresses,
		// Unknown is to be read as ready (the field's own documentation).
		Ready:    c.Ready == nil || *c.Ready,
		Draining: c.Terminating != nil && *c.Terminating && c.Serving != nil && *c.Serving,
	}
	if e.Zone != nil {
		out.Zone = *e.Zone
	}
	if ref := e.TargetRef; ref != nil && ref.Kind == "Pod" {
		ns := ref.Namespace
		if ns == "" {
			ns = namespace
		}
		out.Workload = mesh.Key{Kind: mesh.KindWorkload, Namespace: ns, Name: ref.Name}
	}
	return out
}
