package view

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// VirtualService is the one that routes host for clients of a gateway
// (namespace/name, or mesh.MeshGateway): of those that the proxy may see, the
// one that names the host most specifically, and the oldest of these. nil if
// there is none.
func VirtualService(r mesh.Reader, gateway, host string) *mesh.VirtualService {
	for _, pattern := range patterns(host) {
		if vs := claimant(r, gateway, pattern, host); vs != nil {
			return vs
		}
	}
	return nil
}

// claimants are the VirtualServices that name host literally for gateway, the
// winner first.
func claimants(l mesh.Lookup, gateway, host string) []*mesh.VirtualService {
	var out []*mesh.VirtualService
	for _, k := range l.List(virtualServicesOf(gateway, host)) {
		if vs, ok := l.Get(k).(*mesh.VirtualService); ok {
			out = append(out, vs)
		}
	}
	slices.SortFunc(out, func(a, b *mesh.VirtualService) int { return older(a.Meta, b.Meta) })
	return out
}

func older(a, b mesh.Meta) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}

// Applies reports whether a match is meant for this proxy and for requests that
// came by this gateway and port. What is left is for the proxy to compare.
func Applies(r mesh.Reader, m *mesh.HTTPMatch, gateway string, port int32) bool {
	if len(m.Gateways) > 0 && !slices.Contains(m.Gateways, gateway) {
		return false
	}
	if m.Port != 0 && m.Port != port {
		return false
	}
	if m.SourceNamespace != "" && r.Among(mesh.Fact{Kind: mesh.FactNamespace}, []string{m.SourceNamespace}) == "" {
		return false
	}
	return len(m.SourceLabels) == 0 || hasLabels(r, m.SourceLabels)
}

// Claimant is the oldest VirtualService that names host literally for a gateway
// and that the proxy may see and its Sidecar imports, nil if there is none.
func Claimant(r mesh.Reader, gateway, host string) *mesh.VirtualService {
	return claimant(r, gateway, host, host)
}

// claimant is Claimant for a pattern that stands for host.
func claimant(r mesh.Reader, gateway, pattern, host string) *mesh.VirtualService {
	for _, vs := range claimants(r, gateway, pattern) {
		if visible(r, vs.ExportTo, vs.Namespace) && (gateway != mesh.MeshGateway || imports(r, vs, host)) {
			return vs
		}
	}
	return nil
}
