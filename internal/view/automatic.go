package view

import (
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Automatic reports whether the proxy asks for the hosts that it uses.
func Automatic(r mesh.Reader) bool {
	return r.Among(mesh.Fact{Kind: mesh.FactMode}, []string{string(mesh.ScopeAutomatic)}) != ""
}

// ServiceCalled is the visible service with an HTTP port of this number that the
// proxy's application means by host: its full name, a short one, an address, or
// the name of a pod of a headless service. nil if there is none.
func ServiceCalled(r mesh.Reader, host string, port int32) *mesh.Service {
	if s := serviceCalled(r, host, port); s != nil {
		return s
	}
	if _, below, ok := strings.Cut(host, "."); ok {
		if s := serviceCalled(r, below, port); s != nil && s.Headless {
			return s
		}
	}
	return nil
}

func serviceCalled(r mesh.Reader, host string, port int32) *mesh.Service {
	for _, k := range r.List(ServicesOfAddress(strings.Trim(host, "[]"))) {
		if s := answers(r, k, port); s != nil {
			return s
		}
	}
	for _, k := range r.List(ServicesOfHost(host)) {
		if s := answers(r, k, port); s != nil {
			return s
		}
	}
	if name, namespace, ok := shortName(host); ok {
		return answers(r, mesh.Key{Kind: mesh.KindService, Namespace: namespace, Name: name}, port)
	}
	if strings.Contains(host, ".") {
		return nil
	}
	var namespaces []string
	for _, k := range r.List(servicesOfName(host)) {
		namespaces = append(namespaces, k.Namespace)
	}
	slices.Sort(namespaces)
	if own := r.Among(mesh.Fact{Kind: mesh.FactNamespace}, namespaces); own != "" {
		return answers(r, mesh.Key{Kind: mesh.KindService, Namespace: own, Name: host}, port)
	}
	return nil
}

// answers is the service of a key if the proxy may see it and it answers HTTP on
// the port.
func answers(r mesh.Reader, k mesh.Key, port int32) *mesh.Service {
	s, ok := r.Get(k).(*mesh.Service)
	if !ok {
		return nil
	}
	if p := Port(s, port); p == nil || !p.Protocol.IsHTTP() || !visible(r, s.ExportTo, s.Namespace) {
		return nil
	}
	return s
}
