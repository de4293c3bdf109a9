package push

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/mesh"
)

// The generator makes few names and few values, so that things collide.

const genRoot = "mesh-system"

var (
	genNamespaces = []string{"a", "b", genRoot}
	genNames      = []string{"x", "y"}
	genDomain     = "cluster.local"
	genPods       = []string{"p0", "p1", "p2", "p3"}
	genEpoch      = time.Unix(1_700_000_000, 0).UTC()
)

// genKeys are all objects that there may be.
func genKeys() (out []mesh.Key) {
	add := func(kind mesh.Kind, namespaces, names []string) {
		for _, ns := range namespaces {
			for _, n := range names {
				out = append(out, mesh.Key{Kind: kind, Namespace: ns, Name: n})
			}
		}
	}
	add(mesh.KindService, []string{"a", "b"}, genNames)
	add(mesh.KindEndpointSlice, []string{"a", "b"}, []string{"s1", "s2"})
	add(mesh.KindWorkload, []string{"a", "b"}, genPods)
	add(mesh.KindService, []string{genRoot}, []string{"ingress"})
	add(mesh.KindWorkload, []string{genRoot}, []string{"gw", "gw2"})
	add(mesh.KindNode, []string{""}, []string{"n1", "n2"})
	add(mesh.KindVirtualService, []string{"a", "b"}, genNames)
	add(mesh.KindDestinationRule, genNamespaces, genNames)
	add(mesh.KindGateway, []string{"a", genRoot}, []string{"g", "h"})
	add(mesh.KindPeerAuthentication, genNamespaces, genNames)
	add(mesh.KindSidecar, []string{"a"}, genNames)
	add(mesh.KindSidecar, []string{genRoot}, []string{"x"})
	add(mesh.KindCredential, []string{genRoot, "a"}, []string{"cert"})
	return append(out, mesh.ConfigKey)
}

// genProxies are those that connect.
func genProxies() (out []mesh.Proxy) {
	for _, ns := range []string{"a", "b"} {
		for i, pod := range genPods {
			ip := fmt.Sprintf("10.1.%d.%d", len(ns)+int(ns[0]), i)
			out = append(out, mesh.Proxy{
				ID: fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.%s", ip, pod, ns, ns, genDomain), Type: mesh.ProxySidecar,
				IP: ip, Namespace: ns, Pod: pod, ServiceAccount: "sa",
			})
		}
	}
	return append(out, mesh.Proxy{
		ID: "router~10.1.9.9~gw." + genRoot + "~" + genRoot + ".svc." + genDomain, Type: mesh.ProxyRouter,
		IP: "10.1.9.9", Namespace: genRoot, Pod: "gw", ServiceAccount: "gw",
	})
}

type gen struct{ *rand.Rand }

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

// one picks; some picks a subset in order.
func one[T any](g gen, list ...T) T { return pick(g.Rand, list) }

func some[T any](g gen, list ...T) (out []T) {
	for _, v := range list {
		if g.chance(50) {
			out = append(out, v)
		}
	}
	return out
}

func genHost(g gen) string {
	return one(g, "x", "y") + "." + one(g, "a", "b") + ".svc." + genDomain
}

func (g gen) labels() map[string]string {
	return map[string]string{"app": one(g, "x", "y"), "version": one(g, "v1", "v2")}
}

func (g gen) selector() map[string]string {
	return one(g, nil, map[string]string{"app": one(g, "x", "y")}, map[string]string{"version": "v1"}, g.labels())
}

func (g gen) meta(k mesh.Key) mesh.Meta {
	return mesh.Meta{Namespace: k.Namespace, Name: k.Name, Generation: int64(g.IntN(3)), Created: genEpoch.Add(time.Duration(g.IntN(3)) * time.Hour)}
}

func (g gen) exportTo() []string {
	return one(g, nil, nil, []string{"*"}, []string{"."}, []string{"~"}, []string{"b"}, []string{"a", genRoot})
}

// value makes a value for a key.
func (g gen) value(k mesh.Key) mesh.Value {
	switch k.Kind {
	case mesh.KindService:
		return g.service(k)
	case mesh.KindEndpointSlice:
		return g.slice(k)
	case mesh.KindWorkload:
		return g.workload(k)
	case mesh.KindNode:
		return &mesh.Node{Name: k.Name, Region: one(g, "r1", "r2"), Zone: one(g, "z1", "z2")}
	case mesh.KindVirtualService:
		return g.virtualService(k)
	case mesh.KindDestinationRule:
		return g.destinationRule(k)
	case mesh.KindGateway:
		return g.gateway(k)
	case mesh.KindPeerAuthentication:
		p := &mesh.PeerAuthentication{Meta: g.meta(k), Selector: g.selector(), Mode: one(g, mesh.MTLSUnset, mesh.MTLSDisable, mesh.MTLSPermissive, mesh.MTLSStrict)}
		if len(p.Selector) > 0 && g.chance(30) {
			p.Ports = []mesh.PortMTLS{{Port: 8080, Mode: one(g, mesh.MTLSDisable, mesh.MTLSStrict)}}
		}
		return p
	case mesh.KindCredential:
		return &mesh.Credential{Namespace: k.Namespace, Name: k.Name, Cert: []byte(one(g, "c1", "c2", "")), Key: []byte("k")}
	case mesh.KindSidecar:
		return g.sidecar(k)
	case mesh.KindConfig:
		return &mesh.Config{
			TrustDomain: one(g, genDomain, genDomain, "other"), ClusterID: one(g, "c", "d"), ClusterDomain: one(g, genDomain, genDomain, genDomain, "other.local"), RootNamespace: one(g, genRoot, genRoot, "a"),
			MTLS: one(g, mesh.MTLSPermissive, mesh.MTLSStrict), OutboundAllowAny: g.chance(50),
		}
	}
	panic("no generator for " + k.String())
}

func (g gen) service(k mesh.Key) mesh.Value {
	if k.Name == "ingress" {
		return &mesh.Service{
			Namespace: k.Namespace, Name: k.Name, Hostname: k.Name + "." + k.Namespace + ".svc." + genDomain,
			Addresses: []string{"10.96.0.1"}, Selector: map[string]string{"istio": one(g, "ingress", "ingress", "other")},
			Ports: []mesh.ServicePort{
				{Name: "http", Number: 80, Protocol: mesh.ProtocolHTTP, TargetPort: one(g, int32(8080), 8081)},
				{Name: "https", Number: 443, Protocol: mesh.ProtocolTLS, TargetName: "web"},
			},
		}
	}
	s := &mesh.Service{
		Namespace: k.Namespace, Name: k.Name, Hostname: k.Name + "." + k.Namespace + ".svc." + genDomain,
		Headless: g.chance(30), ExportTo: g.exportTo(), Selector: map[string]string{"app": k.Name},
	}
	if !s.Headless {
		s.Addresses = []string{fmt.Sprintf("10.96.%d.%d", k.Namespace[0], one(g, k.Name[0], k.Name[0], 7))}
	}
	s.Ports = some(g,
		mesh.ServicePort{Name: "http", Number: 8080, Protocol: one(g, mesh.ProtocolHTTP, mesh.ProtocolHTTP2, mesh.ProtocolHTTP, mesh.ProtocolAuto), TargetPort: 8080},
		mesh.ServicePort{Name: "web", Number: 9090, Protocol: mesh.ProtocolHTTP, TargetName: "web"},
		mesh.ServicePort{Name: "db", Number: 3306, Protocol: one(g, mesh.ProtocolTCP, mesh.ProtocolServerFirst), TargetPort: 3306},
	)
	return s
}

func (g gen) slice(k mesh.Key) mesh.Value {
	s := &mesh.EndpointSlice{Namespace: k.Namespace, Name: k.Name, Service: one(g, genNames...)}
	s.Ports = []mesh.EndpointPort{{Name: "http", Number: 8080}, {Name: "web", Number: one(g, int32(9090), 9091)}, {Name: "db", Number: 3306}}
	for i, pod := range genPods {
		if !g.chance(40) {
			continue
		}
		ready := g.chance(80)
		s.Endpoints = append(s.Endpoints, mesh.Endpoint{
			Addresses: []string{fmt.Sprintf("10.1.%d.%d", len(k.Namespace)+int(k.Namespace[0]), i)},
			Workload:  mesh.Key{Kind: mesh.KindWorkload, Namespace: k.Namespace, Name: pod},
			Ready:     ready, Draining: !ready && g.chance(50),
		})
	}
	return s
}

func (g gen) workload(k mesh.Key) mesh.Value {
	w := &mesh.Workload{
		Namespace: k.Namespace, Name: k.Name, Labels: g.labels(), ServiceAccount: one(g, "sa", "sa", "other"),
		Node: one(g, "n1", "n2"), Meshed: g.chance(80), Owner: "o",
		Ports: []mesh.NamedPort{{Name: "web", Number: one(g, int32(9090), 9091)}},
	}
	if k.Namespace == genRoot {
		w.Labels = map[string]string{"istio": one(g, "ingress", "ingress", "ingress", "other")}
		w.IPs = []string{map[string]string{"gw": "10.1.9.9", "gw2": "10.1.9.10"}[k.Name]}
		w.Meshed, w.Router = true, g.chance(85)
		return w
	}
	w.IPs = []string{fmt.Sprintf("10.1.%d.%d", len(k.Namespace)+int(k.Namespace[0]), slices.Index(genPods, k.Name))}
	return w
}

func (g gen) virtualService(k mesh.Key) mesh.Value {
	v := &mesh.VirtualService{
		Meta: g.meta(k), ExportTo: g.exportTo(),
		Gateways: one(g, []string{mesh.MeshGateway}, []string{mesh.MeshGateway}, []string{"a/g"}, []string{genRoot + "/g", mesh.MeshGateway}),
		Hosts:    one(g, []string{genHost(g)}, []string{genHost(g)}, []string{genHost(g)}, []string{genHost(g)}, []string{"shop.example.com"}, []string{"*.example.com"}, []string{"*.a.svc." + genDomain}, []string{"x.a.svc." + genDomain, "shop.example.com"}),
	}
	for range 1 + g.IntN(2) {
		v.HTTP = append(v.HTTP, g.route())
	}
	return v
}

func (g gen) route() mesh.HTTPRoute {
	r := mesh.HTTPRoute{Name: one(g, "", "r"), Timeout: time.Duration(g.IntN(3)) * time.Second}
	if g.chance(60) {
		m := mesh.HTTPMatch{URI: &mesh.StringMatch{Kind: one(g, mesh.MatchExact, mesh.MatchPrefix), Value: one(g, "/", "/admin")}}
		switch g.IntN(5) {
		case 0:
			m.SourceNamespace = one(g, "a", "b")
		case 1:
			m.SourceLabels = map[string]string{"version": one(g, "v1", "v2")}
		case 2:
			m.Gateways = []string{mesh.MeshGateway}
		case 3:
			m.Port = one(g, int32(8080), 9090)
		}
		r.Matches = []mesh.HTTPMatch{m}
	}
	if g.chance(10) {
		r.Redirect = &mesh.Redirect{Authority: "elsewhere", Code: 301}
		return r
	}
	for range 1 + g.IntN(2) {
		r.Destinations = append(r.Destinations, mesh.Destination{
			Host: one(g, genHost(g), genHost(g), genHost(g), "none.a.svc."+genDomain), Subset: one(g, "", "v1", "v2"), Port: one(g, int32(0), 8080, 9090), Weight: uint32(1 + g.IntN(3)),
		})
	}
	return r
}

func (g gen) policy() mesh.TrafficPolicy {
	var p mesh.TrafficPolicy
	if g.chance(40) {
		p.Pool = &mesh.ConnectionPool{ConnectTimeout: time.Duration(1+g.IntN(3)) * time.Second, MaxConnectionDuration: time.Duration(g.IntN(2)) * time.Minute}
	}
	if g.chance(40) {
		p.LoadBalancer = &mesh.LoadBalancer{Algorithm: one(g, mesh.RoundRobin, mesh.Random)}
	}
	if g.chance(30) {
		n := uint32(1 + g.IntN(3))
		p.Outlier = &mesh.OutlierDetection{Consecutive5xx: &n}
	}
	if g.chance(40) {
		p.TLS = &mesh.ClientTLS{Mode: one(g, mesh.TLSDisable, mesh.TLSMutual)}
	}
	return p
}

func (g gen) destinationRule(k mesh.Key) mesh.Value {
	d := &mesh.DestinationRule{
		Meta: g.meta(k), Host: one(g, genHost(g), genHost(g), genHost(g), "*.b.svc."+genDomain, "*.example.com"),
		ExportTo: g.exportTo(), Policy: g.policy(),
	}
	if g.chance(25) {
		d.WorkloadSelector = map[string]string{"version": one(g, "v1", "v2")}
	}
	if g.chance(20) {
		d.Policy.Ports = []mesh.PortPolicy{{Port: 8080, Policy: g.policy()}}
	}
	for _, name := range some(g, "v1", "v2") {
		d.Subsets = append(d.Subsets, mesh.Subset{Name: name, Labels: map[string]string{"version": name}, Policy: g.policy()})
	}
	return d
}

func (g gen) gateway(k mesh.Key) mesh.Value {
	out := &mesh.Gateway{Meta: g.meta(k), Selector: one(g, map[string]string{"istio": "ingress"}, map[string]string{"istio": "other"})}
	hosts := one(g, []string{"*/*"}, []string{"*/shop.example.com"}, []string{"./*"}, []string{"b/*.example.com"})
	if g.chance(80) {
		out.Servers = append(out.Servers, mesh.Server{Name: "http", Port: 8080, PortName: "http", Protocol: mesh.ServerHTTP, Hosts: hosts, HTTPSRedirect: g.chance(20)})
		out.Servers[0].Port = one(g, int32(80), 80, 8080)
	}
	if g.chance(60) {
		out.Servers = append(out.Servers, mesh.Server{
			Name: "https", Port: one(g, int32(443), 443, 8443), PortName: "https", Protocol: mesh.ServerHTTPS, Hosts: hosts,
			TLS: &mesh.ServerTLS{Mode: mesh.ServerSimple, Credential: one(g, "cert", "cert", "missing")},
		})
	}
	return out
}

func (g gen) sidecar(k mesh.Key) mesh.Value {
	out := &mesh.Sidecar{Meta: g.meta(k), Selector: g.selector(), Outbound: one(g, "", "", mesh.OutboundAllowAny, mesh.OutboundRegistryOnly)}
	out.Egress = one(g, nil,
		[]mesh.Egress{{Namespace: "*", Host: "*"}},
		[]mesh.Egress{{Namespace: ".", Host: "*"}},
		[]mesh.Egress{{Namespace: "*", Host: "*", Exclude: true}},
		[]mesh.Egress{{Namespace: "a", Host: genHost(g)}, {Namespace: "b", Host: genHost(g)}},
		[]mesh.Egress{{Namespace: "*", Host: genHost(g)}, {Namespace: ".", Host: "*.example.com"}},
		[]mesh.Egress{{Namespace: "*", Host: "*." + one(g, "a", "b") + ".svc." + genDomain}},
		[]mesh.Egress{{Namespace: "*", Host: "*"}, {Namespace: one(g, "a", "b", "."), Host: one(g, "*", genHost(g)), Exclude: true}},
	)
	return out
}

// next draws one change. Half of the time it is of an object that something
// has read.
func (w *world) next(g gen) mesh.Change {
	keys := genKeys()
	k := one(g, keys...)
	if aimed, ok := w.pivots.aim(g, w.engine); ok && g.chance(40) {
		k = aimed
	} else if g.chance(50) {
		if read := w.readObjects(); len(read) > 0 {
			k = one(g, read...)
		}
	}
	old := w.objects[k]
	if old != nil && k != mesh.ConfigKey && g.chance(25) {
		return mesh.Change{Key: k}
	}
	return mesh.Change{Key: k, Value: g.value(k)}
}

// readObjects are the stored keys that something has read, in order.
func (w *world) readObjects() (out []mesh.Key) {
	for k := range w.engine.entries {
		if slices.ContainsFunc(genKeys(), func(o mesh.Key) bool { return o == k }) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, mesh.Key.Compare)
	return out
}

// describe is a change in one line, for the story of a failure.
func describe(c mesh.Change) string {
	if c.Value == nil {
		return "delete " + c.Key.String()
	}
	return strings.TrimSpace(fmt.Sprintf("put %s %+v", c.Key, c.Value))
}
