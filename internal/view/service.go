package view

import (
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Service is the service with this full name, nil if there is none.
func Service(l mesh.Lookup, host string) *mesh.Service {
	for _, k := range l.List(ServicesOfHost(host)) {
		if s, ok := l.Get(k).(*mesh.Service); ok {
			return s
		}
	}
	return nil
}

// VisibleService is the service with this full name, nil if there is none that
// the proxy may see.
func VisibleService(r mesh.Reader, host string) *mesh.Service {
	s := Service(r, host)
	if s == nil || !visible(r, s.ExportTo, s.Namespace) {
		return nil
	}
	return s
}

// VisibleAt is the visible service with this cluster IP and port, nil if there
// is none.
func VisibleAt(r mesh.Reader, ip string, port int32) (*mesh.Service, *mesh.ServicePort) {
	keys := r.List(ServicesOfAddress(ip))
	for _, k := range keys {
		s, ok := r.Get(k).(*mesh.Service)
		if !ok || !visible(r, s.ExportTo, s.Namespace) {
			continue
		}
		if p := Port(s, port); p != nil && (len(keys) == 1 || holds(r, k)) {
			return s, p
		}
	}
	return nil, nil
}

// HasHTTP reports whether the proxy may see a service with an HTTP port of this
// number.
func HasHTTP(r mesh.Reader, port int32) bool {
	if len(r.List(publicHTTP(port))) > 0 {
		return true
	}
	var namespaces []string
	for _, k := range r.List(limitedHTTP(port)) {
		if s, ok := r.Get(k).(*mesh.Service); ok {
			_, in := exported(s.ExportTo, s.Namespace)
			namespaces = append(namespaces, in...)
		}
	}
	if len(namespaces) == 0 {
		return false
	}
	slices.Sort(namespaces)
	return r.Among(mesh.Fact{Kind: mesh.FactNamespace}, slices.Compact(namespaces)) != ""
}

// Port is the service's TCP port of this number, nil if there is none.
func Port(s *mesh.Service, number int32) *mesh.ServicePort {
	for i := range s.Ports {
		if s.Ports[i].Number == number && s.Ports[i].Protocol != mesh.ProtocolUDP {
			return &s.Ports[i]
		}
	}
	return nil
}

// DestinationPort is the port of a destination: the one that is named, else
// the only one, else the one that the request came to (Istio's rule). nil if
// the service does not have it.
func DestinationPort(s *mesh.Service, named, came int32) *mesh.ServicePort {
	if named != 0 {
		return Port(s, named)
	}
	var only *mesh.ServicePort
	for i := range s.Ports {
		switch {
		case s.Ports[i].Protocol == mesh.ProtocolUDP:
		case only != nil:
			return Port(s, came)
		default:
			only = &s.Ports[i]
		}
	}
	return only
}

// HasService reports whether any service, seen or not, answers HTTP on this
// port under the name host: its full name, a short name, or an address. Such
// names are not for others to claim.
func HasService(l mesh.Lookup, host string, port int32) bool {
	http := func(s *mesh.Service) bool {
		p := Port(s, port)
		return p != nil && p.Protocol.IsHTTP()
	}
	// Below a headless service's names are those of its pods.
	below, wild := strings.CutPrefix(host, "*.")
	if s := Service(l, below); s != nil && http(s) && (s.Headless || !wild) {
		return true
	}
	for _, k := range l.List(ServicesOfAddress(host)) {
		if s, ok := l.Get(k).(*mesh.Service); ok && http(s) {
			return true
		}
	}
	if name, namespace, ok := shortName(below); ok {
		if s, ok := l.Get(mesh.Key{Kind: mesh.KindService, Namespace: namespace, Name: name}).(*mesh.Service); ok {
			return http(s) && (s.Headless || !wild)
		}
	}
	return false
}

// OwnsAddress reports whether a service is the one that goes by an address. Two
// have the same only while one that is gone was not told yet; then the one whose
// key sorts first has it, so that no two virtual hosts claim it.
func OwnsAddress(l mesh.Lookup, s *mesh.Service, ip string) bool {
	keys := l.List(ServicesOfAddress(ip))
	return len(keys) == 0 || keys[0].Namespace == s.Namespace && keys[0].Name == s.Name
}

// Targets are the pods' ports that a service names by number.
func Targets(s *mesh.Service) []int32 {
	var out []int32
	for _, p := range s.Ports {
		if p.Protocol != mesh.ProtocolUDP && p.TargetPort != 0 {
			out = append(out, p.TargetPort)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
