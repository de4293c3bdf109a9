package push

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// The toy is the smallest set of resource types with every trait that the
// engine knows: names that spawn, static names, inner names, absence, questions
// by list and raw, a derivation, references.

const (
	toyRulesOfHost  mesh.Kind = "toy.RulesOfHost"
	toyRoutesOfHost mesh.Kind = "toy.RoutesOfHost"
	toySlicesOf     mesh.Kind = "toy.SlicesOf"
	toyHasPort      mesh.Kind = "toy.HasPort"
	toyHealth       mesh.Kind = "toy.Health"
)

func toyIndexes() []mesh.Index {
	return []mesh.Index{
		{Of: mesh.KindDestinationRule, Buckets: func(_ mesh.Key, v mesh.Value) []mesh.Key {
			return []mesh.Key{{Kind: toyRulesOfHost, Name: v.(*mesh.DestinationRule).Host}}
		}},
		{Of: mesh.KindVirtualService, Buckets: func(_ mesh.Key, v mesh.Value) (out []mesh.Key) {
			for _, h := range v.(*mesh.VirtualService).Hosts {
				out = append(out, mesh.Key{Kind: toyRoutesOfHost, Name: h})
			}
			return out
		}},
		{Of: mesh.KindEndpointSlice, Buckets: func(k mesh.Key, v mesh.Value) []mesh.Key {
			return []mesh.Key{{Kind: toySlicesOf, Namespace: k.Namespace, Name: v.(*mesh.EndpointSlice).Service}}
		}},
		{Of: mesh.KindService, Buckets: func(_ mesh.Key, v mesh.Value) (out []mesh.Key) {
			for _, p := range v.(*mesh.Service).Ports {
				out = append(out, mesh.Key{Kind: toyHasPort, Name: strconv.Itoa(int(p.Number))})
			}
			return out
		}},
	}
}

// health is derived: the addresses that serve a service.
type health []string

func (h health) Equal(o mesh.Value) bool {
	p, ok := o.(health)
	return ok && slices.Equal(h, p)
}

func toyDerivations() []mesh.Derivation {
	return []mesh.Derivation{
		{Kind: toyHealth, Compute: func(l mesh.Lookup, k mesh.Key) mesh.Value {
			var out health
			for _, key := range l.List(mesh.Key{Kind: toySlicesOf, Namespace: k.Namespace, Name: k.Name}) {
				for _, ep := range l.Get(key).(*mesh.EndpointSlice).Endpoints {
					if w, ok := l.Get(ep.Workload).(*mesh.Workload); ep.Ready && ok {
						place := ""
						if n, ok := l.Get(mesh.Key{Kind: mesh.KindNode, Name: w.Node}).(*mesh.Node); ok {
							place = n.Region
						}
						out = append(out, place+"/"+ep.Addresses[0])
					}
				}
			}
			slices.Sort(out)
			return out
		}},
		{
			Kind: mesh.KindProblems,
			For: func(k mesh.Key) []mesh.Key {
				if k.Kind != mesh.KindVirtualService {
					return nil
				}
				return []mesh.Key{mesh.ProblemsKey(k)}
			},
			Compute: func(l mesh.Lookup, k mesh.Key) mesh.Value {
				object := mesh.Key{Kind: mesh.KindVirtualService, Namespace: k.Namespace, Name: strings.TrimPrefix(k.Name, string(mesh.KindVirtualService)+"/")}
				vs, ok := l.Get(object).(*mesh.VirtualService)
				if !ok {
					return nil
				}
				for _, h := range vs.Hosts {
					if l.Get(toyService(h)) == nil {
						return &mesh.Problems{List: []mesh.Problem{{Object: object, Reason: "HostNotFound", Message: h}}}
					}
				}
				return nil
			},
		},
	}
}

type toyFacts map[mesh.Fact]string

func (f toyFacts) Fact(q mesh.Fact) string { return f[q] }

func toyFactsOf(l mesh.Lookup, p mesh.Proxy) mesh.Facts {
	f := toyFacts{{Kind: mesh.FactType}: p.Type, {Kind: mesh.FactNamespace}: p.Namespace}
	if w, ok := l.Get(mesh.Key{Kind: mesh.KindWorkload, Namespace: p.Namespace, Name: p.Pod}).(*mesh.Workload); ok {
		for k, v := range w.Labels {
			f[mesh.Fact{Kind: mesh.FactLabel, Arg: k}] = v
		}
		if n, ok := l.Get(mesh.Key{Kind: mesh.KindNode, Name: w.Node}).(*mesh.Node); ok {
			f[mesh.Fact{Kind: mesh.FactLocality}] = n.Region
		}
	}
	return f
}

// toyService is the key of name.namespace.svc….
func toyService(host string) mesh.Key {
	parts := strings.SplitN(host, ".", 3)
	if len(parts) < 3 {
		return mesh.Key{}
	}
	return mesh.Key{Kind: mesh.KindService, Namespace: parts[1], Name: parts[0]}
}

// toyVisible returns the service of a host if the proxy may see it.
func toyVisible(r mesh.Reader, host string, port int) *mesh.Service {
	svc, ok := r.Get(toyService(host)).(*mesh.Service)
	if !ok || !slices.ContainsFunc(svc.Ports, func(p mesh.ServicePort) bool { return int(p.Number) == port }) {
		return nil
	}
	if slices.Contains(svc.ExportTo, ".") && r.Among(mesh.Fact{Kind: mesh.FactNamespace}, []string{svc.Namespace}) == "" {
		return nil
	}
	return svc
}

func toySplit(cluster string) (host string, port int) {
	parts := strings.Split(cluster, "|")
	port, _ = strconv.Atoi(parts[1])
	return parts[3], port
}

func toyClusters(prefix string) func(mesh.Lookup, mesh.Key) []string {
	return func(l mesh.Lookup, k mesh.Key) (out []string) {
		if svc, ok := l.Get(k).(*mesh.Service); ok {
			for _, p := range svc.Ports {
				out = append(out, fmt.Sprintf("%s|%d||%s", prefix, p.Number, svc.Hostname))
			}
		}
		return out
	}
}

func toyCluster(r mesh.Reader, name string) resource.Built {
	host, port := toySplit(name)
	if toyVisible(r, host, port) == nil {
		return resource.Built{}
	}
	c := &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		ConnectTimeout:       durationpb.New(time.Second),
	}
	for _, k := range r.List(mesh.Key{Kind: toyRulesOfHost, Name: host}) {
		dr := r.Get(k).(*mesh.DestinationRule)
		if len(dr.WorkloadSelector) > 0 && !toySelected(r, dr.WorkloadSelector) {
			continue
		}
		if p := dr.Policy.Pool; p != nil {
			c.ConnectTimeout = durationpb.New(p.ConnectTimeout)
		}
	}
	return resource.Built{Msg: c, Refs: []resource.Name{{Type: resource.Endpoints, Name: name}}}
}

func toySelected(r mesh.Reader, selector map[string]string) bool {
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		if r.Among(mesh.Fact{Kind: mesh.FactLabel, Arg: k}, []string{selector[k]}) == "" {
			return false
		}
	}
	return true
}

func toyAssignment(r mesh.Reader, name string) resource.Built {
	host, port := toySplit(name)
	if toyVisible(r, host, port) == nil {
		return resource.Built{}
	}
	k := toyService(host)
	k.Kind = toyHealth
	out := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	here := r.Value(mesh.Fact{Kind: mesh.FactLocality})
	for _, address := range r.Get(k).(health) {
		place, ip, _ := strings.Cut(address, "/")
		l := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Region: place, Zone: ip}}
		if place != here {
			l.Priority = 1
		}
		out.Endpoints = append(out.Endpoints, l)
	}
	return resource.Built{Msg: out}
}

func toyPorts(prefix string) func(mesh.Lookup, mesh.Key) []string {
	return func(l mesh.Lookup, k mesh.Key) (out []string) {
		if svc, ok := l.Get(k).(*mesh.Service); ok {
			for _, p := range svc.Ports {
				out = append(out, prefix+strconv.Itoa(int(p.Number)))
			}
		}
		return out
	}
}

// toyPortSeen reports whether the proxy sees any service on the port.
func toyPortSeen(r mesh.Reader, port string) bool {
	n, _ := strconv.Atoi(port)
	for _, k := range r.List(mesh.Key{Kind: toyHasPort, Name: port}) {
		if toyVisible(r, r.Get(k).(*mesh.Service).Hostname, n) != nil {
			return true
		}
	}
	return false
}

func toyListener(r mesh.Reader, name string) resource.Built {
	out := &listenerv3.Listener{Name: name}
	port, ok := strings.CutPrefix(name, "0.0.0.0_")
	if !ok {
		out.StatPrefix = r.Value(mesh.Fact{Kind: mesh.FactType})
		return resource.Built{Msg: out}
	}
	if !toyPortSeen(r, port) {
		return resource.Built{}
	}
	hcm, err := anypb.New(&hcmv3.HttpConnectionManager{RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: port}}})
	if err != nil {
		panic(err)
	}
	out.FilterChains = []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{Name: "hcm", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: hcm}}}}}
	return resource.Built{Msg: out, Refs: []resource.Name{{Type: resource.Route, Name: port}}}
}

func toyRoute(r mesh.Reader, name string) resource.Built {
	if !toyPortSeen(r, name) {
		return resource.Built{}
	}
	return resource.Built{Msg: &routev3.RouteConfiguration{Name: name, Vhds: &routev3.Vhds{}}}
}

func toyVirtualHosts(l mesh.Lookup, k mesh.Key) (out []string) {
	if svc, ok := l.Get(k).(*mesh.Service); ok {
		for _, p := range svc.Ports {
			out = append(out, fmt.Sprintf("%d/%s:%d", p.Number, svc.Hostname, p.Number))
		}
	}
	return out
}

func toyVirtualHost(r mesh.Reader, name string) resource.Built {
	outer, logical, _ := strings.Cut(name, "/")
	host, _, _ := strings.Cut(logical, ":")
	port, _ := strconv.Atoi(outer)
	if toyVisible(r, host, port) == nil {
		return resource.Built{}
	}
	action := &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: fmt.Sprintf("outbound|%d||%s", port, host)}}
	for _, k := range r.List(mesh.Key{Kind: toyRoutesOfHost, Name: host}) {
		vs := r.Get(k).(*mesh.VirtualService)
		if len(vs.HTTP) == 0 || len(vs.HTTP[0].Destinations) == 0 {
			continue
		}
		// A route to what the proxy does not see would have no cluster.
		to := vs.HTTP[0].Destinations[0].Host
		if toyVisible(r, to, port) != nil {
			action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: fmt.Sprintf("outbound|%d||%s", port, to)}
		}
		action.Timeout = durationpb.New(vs.HTTP[0].Timeout)
	}
	msg := &routev3.VirtualHost{Name: name, Domains: []string{logical}, Routes: []*routev3.Route{{
		Action: &routev3.Route_Route{Route: action},
	}}}
	return resource.Built{Msg: msg, Refs: []resource.Name{{Type: resource.Cluster, Name: action.GetCluster()}}}
}

func toyTypes() []resource.Type {
	from := []mesh.Kind{mesh.KindService}
	return []resource.Type{
		{URL: resource.Cluster, Spawn: toyClusters("outbound"), SpawnFrom: from, Build: toyCluster, Wildcard: true},
		{URL: resource.Endpoints, Spawn: toyClusters("outbound"), SpawnFrom: from, Build: toyAssignment},
		{URL: resource.Listener, Spawn: toyPorts("0.0.0.0_"), SpawnFrom: from, Static: []string{"virtualOutbound"}, Build: toyListener, Wildcard: true},
		{URL: resource.Route, Spawn: toyPorts(""), SpawnFrom: from, Build: toyRoute},
		{URL: resource.VirtualHost, Spawn: toyVirtualHosts, SpawnFrom: from, Build: toyVirtualHost, Within: resource.Route},
	}
}
