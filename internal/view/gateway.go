package view

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// KindGatewayPods is the derived kind that says where a Gateway is served. Its
// keys are GatewayPods/namespace/name as the Gateway's, its values *GatewayPods.
const KindGatewayPods mesh.Kind = "GatewayPods"

// GatewayPods is where a Gateway is served. It stays equal while pods of the
// same kind come and go.
type GatewayPods struct {
	// Namespaces of the pods that the Gateway selects, sorted.
	Namespaces []string
	// Targets are the pods' ports behind the ports of the Gateway's servers, by
	// the Services of the pods; sorted by port.
	Targets []GatewayTargets
}

// GatewayTargets are the pods' ports behind one port of a Gateway, sorted.
type GatewayTargets struct {
	Port    int32
	Targets []int32
}

// Equal implements mesh.Value.
func (g *GatewayPods) Equal(o mesh.Value) bool { return reflect.DeepEqual(mesh.Value(g), o) }

// gatewayPods computes KindGatewayPods.
func gatewayPods(l mesh.Lookup, k mesh.Key) mesh.Value {
	gw, ok := l.Get(mesh.Key{Kind: mesh.KindGateway, Namespace: k.Namespace, Name: k.Name}).(*mesh.Gateway)
	if !ok {
		return nil
	}
	out := &GatewayPods{}
	targets := map[int32][]int32{}
	for _, key := range l.List(allRouters) {
		w, ok := l.Get(key).(*mesh.Workload)
		if !ok || !selects(gw.Selector, w.Labels) {
			continue
		}
		out.Namespaces = append(out.Namespaces, w.Namespace)
		for _, s := range served(l, w.Namespace, w.Labels, w.Ports) {
			targets[s.Number] = append(targets[s.Number], s.Target)
		}
	}
	slices.Sort(out.Namespaces)
	out.Namespaces = slices.Compact(out.Namespaces)
	for _, server := range gw.Servers {
		t := targets[server.Port]
		if len(t) == 0 {
			continue
		}
		slices.Sort(t)
		out.Targets = append(out.Targets, GatewayTargets{Port: server.Port, Targets: slices.Compact(t)})
		delete(targets, server.Port)
	}
	slices.SortFunc(out.Targets, func(a, b GatewayTargets) int { return int(a.Port - b.Port) })
	return out
}

// ListenPorts are the ports on which some pod may listen for a port of the
// Gateway: the targets of the pods' Services, and the port itself for pods that
// no Service maps. Sorted.
func ListenPorts(l mesh.Lookup, gw *mesh.Gateway, port int32) []int32 {
	out := append(targetsOf(l, gw, port), port)
	slices.Sort(out)
	return slices.Compact(out)
}

func targetsOf(l mesh.Lookup, gw *mesh.Gateway, port int32) []int32 {
	pods, ok := l.Get(mesh.Key{Kind: KindGatewayPods, Namespace: gw.Namespace, Name: gw.Name}).(*GatewayPods)
	if !ok {
		return nil
	}
	for _, t := range pods.Targets {
		if t.Port == port {
			return slices.Clone(t.Targets)
		}
	}
	return nil
}

// Binding is one server of a Gateway.
type Binding struct {
	Gateway *mesh.Gateway
	Server  *mesh.Server
}

// Name is the gateway's name as VirtualServices write it.
func (b Binding) Name() string { return b.Gateway.Namespace + "/" + b.Gateway.Name }

// GatewayNamed is the Gateway namespace/name, nil if there is none.
func GatewayNamed(l mesh.Lookup, name string) *mesh.Gateway {
	namespace, name, ok := strings.Cut(name, "/")
	if !ok {
		return nil
	}
	gw, _ := l.Get(mesh.Key{Kind: mesh.KindGateway, Namespace: namespace, Name: name}).(*mesh.Gateway)
	return gw
}

// gateways are all Gateways, the oldest first.
func gateways(l mesh.Lookup) []*mesh.Gateway {
	var out []*mesh.Gateway
	for _, k := range l.List(allGateways) {
		if gw, ok := l.Get(k).(*mesh.Gateway); ok {
			out = append(out, gw)
		}
	}
	slices.SortFunc(out, func(a, b *mesh.Gateway) int { return older(a.Meta, b.Meta) })
	return out
}

// BindingsOn are the servers for which a gateway proxy listens on a port of its
// pod, the oldest Gateway first. Those that contradict an older one are left
// out: a port is either plain HTTP or TLS.
func BindingsOn(r mesh.Reader, port int32) []Binding {
	var out []Binding
	for _, gw := range gateways(r) {
		out = append(out, bindings(r, gw, port)...)
	}
	return slices.DeleteFunc(out, func(b Binding) bool { return IsTLS(b.Server) != IsTLS(out[0].Server) })
}

func bindings(r mesh.Reader, gw *mesh.Gateway, port int32) []Binding {
	var candidates []*mesh.Server
	for i := range gw.Servers {
		if slices.Contains(ListenPorts(r, gw, gw.Servers[i].Port), port) {
			candidates = append(candidates, &gw.Servers[i])
		}
	}
	if len(candidates) == 0 || !hasLabels(r, gw.Selector) {
		return nil
	}
	var out []Binding
	for _, s := range candidates {
		if listensAt(r, gw, s.Port) == port {
			out = append(out, Binding{gw, s})
		}
	}
	return out
}

// listensAt is the port of the proxy's pod for a port of a Gateway.
func listensAt(r mesh.Reader, gw *mesh.Gateway, port int32) int32 {
	targets := targetsOf(r, gw, port)
	if len(targets) == 0 {
		return port
	}
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = strconv.Itoa(int(t))
	}
	slices.Sort(words)
	answer := r.Among(mesh.Fact{Kind: mesh.FactTarget, Arg: strconv.Itoa(int(port))}, words)
	if n, err := strconv.Atoi(answer); err == nil {
		return int32(n)
	}
	return port
}

// BindingOf is a certain server of a Gateway (namespace/name) if the proxy
// serves it, with the port of the pod.
func BindingOf(r mesh.Reader, gateway, portName string, port int32) (Binding, bool) {
	gw := GatewayNamed(r, gateway)
	if gw == nil {
		return Binding{}, false
	}
	for i := range gw.Servers {
		s := &gw.Servers[i]
		if s.Port == port && s.PortName == portName && hasLabels(r, gw.Selector) {
			return Binding{gw, s}, true
		}
	}
	return Binding{}, false
}

// IsTLS reports whether clients of a server speak TLS.
func IsTLS(s *mesh.Server) bool {
	return s.Protocol == mesh.ServerHTTPS || s.Protocol == mesh.ServerProtocolTLS
}

// Hosts are the hosts of a server without their namespaces, in its order.
func Hosts(s *mesh.Server) []string {
	var out []string
	for _, h := range s.Hosts {
		_, host := serverHost(h)
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

// serverHost takes apart namespace/host; no namespace means any.
func serverHost(h string) (namespace, host string) {
	if namespace, host, ok := strings.Cut(h, "/"); ok {
		return namespace, host
	}
	return "*", h
}

// Shared are the names that a server and a VirtualService have in common: of a
// name and a wildcard above it the narrower. Sorted.
func (b Binding) Shared(vs *mesh.VirtualService) []string {
	if !slices.Contains(vs.Gateways, b.Name()) {
		return nil
	}
	var out []string
	for _, h := range b.Server.Hosts {
		namespace, host := serverHost(h)
		if namespace != "*" && namespace != vs.Namespace && (namespace != "." || vs.Namespace != b.Gateway.Namespace) {
			continue
		}
		for _, v := range vs.Hosts {
			if common, ok := intersect(host, v); ok {
				out = append(out, common)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Routing is the VirtualService that routes domain for a server: of those that
// share the domain with it, the one that names it most specifically, and the
// oldest of these. nil if there is none.
func (b Binding) Routing(r mesh.Reader, domain string) *mesh.VirtualService {
	for _, pattern := range patterns(domain) {
		for _, vs := range claimants(r, b.Name(), pattern) {
			if slices.Contains(b.Shared(vs), domain) && visible(r, vs.ExportTo, vs.Namespace) {
				return vs
			}
		}
	}
	return nil
}

// CredentialFor is the credential of this name that the proxy may serve: the
// one of its own namespace. nil if there is none.
func CredentialFor(r mesh.Reader, name string) *mesh.Credential {
	var namespaces []string
	for _, k := range r.List(credentialsOfName(name)) {
		namespaces = append(namespaces, k.Namespace)
	}
	if len(namespaces) == 0 {
		return nil
	}
	namespace := r.Among(mesh.Fact{Kind: mesh.FactNamespace}, namespaces)
	if namespace == "" {
		return nil
	}
	c, _ := r.Get(mesh.Key{Kind: mesh.KindCredential, Namespace: namespace, Name: name}).(*mesh.Credential)
	return c
}

// Usable reports whether a server's credential has what its mode needs.
func Usable(c *mesh.Credential, tls *mesh.ServerTLS) bool {
	switch {
	case c == nil || len(c.Cert) == 0 || len(c.Key) == 0:
		return false
	case tls.Mode == mesh.ServerMutual:
		return len(c.CA) > 0
	}
	return true
}
