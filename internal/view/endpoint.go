package view

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Endpoint is an address of a service port, with what is known of the pod.
type Endpoint struct {
	Address  string
	Port     int32
	Draining bool
	// Mutual: the pod accepts the mesh's TLS on this port.
	Mutual bool
	// Workload is nil for addresses that are no pod's.
	Workload *mesh.Workload
	// zone is what the slice says, for addresses without a node that is known.
	zone string
}

// Locality is where the endpoint's node stands.
func (e Endpoint) Locality(l mesh.Lookup) Locality {
	if e.Workload == nil {
		return localityOf(l, "", e.zone)
	}
	return localityOf(l, e.Workload.Node, e.zone)
}

// Endpoints joins the slices of a service with its pods. labels
// limits them to pods that have these; nil does not. They are sorted by address
// and port; a pod that has two families is taken by its IPv4 address. Those that
// are leaving count as staying where no other is left.
func Endpoints(l mesh.Lookup, s *mesh.Service, port *mesh.ServicePort, labels map[string]string) []Endpoint {
	var out []Endpoint
	for _, k := range l.List(slicesOfService(s.Namespace, s.Name)) {
		slice, ok := l.Get(k).(*mesh.EndpointSlice)
		if !ok {
			continue
		}
		number := numberOf(slice, port.Name)
		if number == 0 {
			continue
		}
		for i := range slice.Endpoints {
			if e, ok := join(l, &slice.Endpoints[i], number); ok && (len(labels) == 0 || e.Workload != nil && selects(labels, e.Workload.Labels)) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), compareBool(a.Draining, b.Draining))
	})
	out = slices.CompactFunc(out, func(a, b Endpoint) bool { return a.Address == b.Address && a.Port == b.Port })
	return keepLast(withoutSecondFamily(out))
}

// keepLast gives traffic to endpoints that are leaving where there are no
// others, as kube-proxy does.
func keepLast(list []Endpoint) []Endpoint {
	if slices.ContainsFunc(list, func(e Endpoint) bool { return !e.Draining }) {
		return list
	}
	for i := range list {
		list[i].Draining = false
	}
	return list
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func numberOf(slice *mesh.EndpointSlice, name string) int32 {
	for _, p := range slice.Ports {
		if p.Name == name {
			return p.Number
		}
	}
	return 0
}

// join is false for endpoints that shall get no traffic, new or old.
func join(l mesh.Lookup, e *mesh.Endpoint, port int32) (Endpoint, bool) {
	if len(e.Addresses) == 0 || (!e.Ready && !e.Draining) {
		return Endpoint{}, false
	}
	out := Endpoint{Address: e.Addresses[0], Port: port, Draining: !e.Ready, zone: e.Zone}
	if e.Workload != (mesh.Key{}) {
		if w, ok := l.Get(e.Workload).(*mesh.Workload); ok {
			out.Workload = w
			out.Mutual = mutual(l, w, port)
		}
	}
	return out, true
}

// mutual reports whether a pod accepts the mesh's TLS on a port. Gateways
// accept what their Gateways say.
func mutual(l mesh.Lookup, w *mesh.Workload, port int32) bool {
	if !w.Meshed || w.Router {
		return false
	}
	in, ok := l.Get(mesh.Key{Kind: KindInbound, Namespace: w.Namespace, Name: w.Name}).(*Inbound)
	return ok && in.Of(port) != mesh.MTLSDisable
}

func withoutSecondFamily(list []Endpoint) []Endpoint {
	four := map[*mesh.Workload]bool{}
	for _, e := range list {
		if e.Workload != nil && isFour(e.Address) {
			four[e.Workload] = true
		}
	}
	return slices.DeleteFunc(list, func(e Endpoint) bool {
		return e.Workload != nil && four[e.Workload] && !isFour(e.Address)
	})
}

func isFour(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Is4()
}

// HeadlessAt is the visible headless service that the address and port of a pod
// belong to, with that endpoint. nil if there is none. Of several services the
// one whose slice's key sorts first is taken.
func HeadlessAt(r mesh.Reader, ip string, port int32) (*mesh.Service, *mesh.ServicePort, Endpoint) {
	keys := r.List(slicesOfAddress(ip))
	for _, k := range keys {
		slice, ok := r.Get(k).(*mesh.EndpointSlice)
		if !ok {
			continue
		}
		s, ok := r.Get(mesh.Key{Kind: mesh.KindService, Namespace: slice.Namespace, Name: slice.Service}).(*mesh.Service)
		if !ok || !s.Headless || !visible(r, s.ExportTo, s.Namespace) || len(keys) > 1 && !holds(r, k) {
			continue
		}
		for i := range s.Ports {
			p := &s.Ports[i]
			if p.Protocol.IsHTTP() || p.Protocol == mesh.ProtocolUDP || numberOf(slice, p.Name) != port {
				continue
			}
			for _, e := range Endpoints(r, s, p, nil) {
				if e.Address == ip && e.Port == port {
					return s, p, e
				}
			}
		}
	}
	return nil, nil, Endpoint{}
}

// HeadlessAddresses are the addresses and ports that only a listener of their
// own can tell apart: those of TCP ports of headless services.
func HeadlessAddresses(l mesh.Lookup, slice *mesh.EndpointSlice) []Endpoint {
	s, ok := l.Get(mesh.Key{Kind: mesh.KindService, Namespace: slice.Namespace, Name: slice.Service}).(*mesh.Service)
	if !ok || !s.Headless {
		return nil
	}
	var out []Endpoint
	for i := range s.Ports {
		p := &s.Ports[i]
		number := numberOf(slice, p.Name)
		if number == 0 || p.Protocol.IsHTTP() || p.Protocol == mesh.ProtocolUDP {
			continue
		}
		for _, e := range slice.Endpoints {
			if len(e.Addresses) > 0 && (e.Ready || e.Draining) {
				out = append(out, Endpoint{Address: e.Addresses[0], Port: number})
			}
		}
	}
	return out
}

// KindAllMutual is the derived kind that says whether all endpoints of a
// service port accept the mesh's TLS. Its keys are AllMutual/namespace/service:port.
const KindAllMutual mesh.Kind = "AllMutual"

type truth struct{}

// Equal implements mesh.Value.
func (truth) Equal(o mesh.Value) bool { return o == mesh.Value(truth{}) }

// AllMutual reports whether a service port has endpoints and all of them accept
// the mesh's TLS.
func AllMutual(l mesh.Lookup, s *mesh.Service, port *mesh.ServicePort) bool {
	name := s.Name + ":" + strconv.Itoa(int(port.Number))
	return l.Get(mesh.Key{Kind: KindAllMutual, Namespace: s.Namespace, Name: name}) != nil
}

// allMutual computes KindAllMutual: truth or nothing.
func allMutual(l mesh.Lookup, k mesh.Key) mesh.Value {
	name, number, _ := strings.Cut(k.Name, ":")
	n, _ := strconv.Atoi(number)
	s, ok := l.Get(mesh.Key{Kind: mesh.KindService, Namespace: k.Namespace, Name: name}).(*mesh.Service)
	if !ok {
		return nil
	}
	port := Port(s, int32(n))
	if port == nil {
		return nil
	}
	list := Endpoints(l, s, port, nil)
	if len(list) == 0 || slices.ContainsFunc(list, func(e Endpoint) bool { return !e.Mutual }) {
		return nil
	}
	return truth{}
}
