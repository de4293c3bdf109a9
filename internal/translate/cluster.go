package translate

import (
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

const (
	connectTimeout = 10 * time.Second
	// endpointsTimeout bounds how long a cluster waits for its endpoints.
	endpointsTimeout = 5 * time.Second
	// inboundSource is the address from which the sidecar calls its own pod:
	// capture leaves it alone, so it does not loop (Istio's).
	inboundSource = "127.0.0.6"
)

// clusterNames are the clusters that a service gives rise to: outbound ones for
// its clients and inbound ones for its pods.
func clusterNames(l mesh.Lookup, k mesh.Key) []string {
	if w, ok := l.Get(k).(*mesh.Workload); ok {
		// What services name by name is the pod's: a pod connects before its
		// endpoints tell.
		var names []string
		for _, p := range w.Ports {
			names = append(names, inboundName(p.Number), unknownName(p.Number))
		}
		return names
	}
	names := outboundNames(l, k)
	if s, ok := l.Get(k).(*mesh.Service); ok {
		for _, target := range view.Targets(s) {
			names = append(names, inboundName(target))
		}
		for _, port := range unknownPorts(s) {
			names = append(names, unknownName(port))
		}
	}
	return names
}

// outboundNames are outbound|port|subset|host for all ports of a service and
// all subsets that any rule gives it.
func outboundNames(l mesh.Lookup, k mesh.Key) []string {
	s, ok := l.Get(k).(*mesh.Service)
	if !ok {
		return nil
	}
	var names []string
	subsets := append([]string{""}, view.SubsetNames(l, s)...)
	for _, p := range s.Ports {
		if p.Protocol == mesh.ProtocolUDP {
			continue
		}
		for _, subset := range subsets {
			names = append(names, outboundName(p.Number, subset, s.Hostname))
		}
	}
	return names
}

// cluster implements resource.Build.
func cluster(r mesh.Reader, name string) resource.Built {
	if name == blackHoleCluster {
		return resource.Built{Msg: &clusterv3.Cluster{
			Name:                 name,
			ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
			ConnectTimeout:       envoy.Duration(blackHoleTimeout),
		}}
	}
	port, subset, host, outbound := parseOutbound(name)
	if outbound {
		t, ok := findTarget(r, port, subset, host)
		if !ok {
			return resource.Built{}
		}
		built := resource.Built{Msg: outboundCluster(r, t)}
		if t.kind == clusterv3.Cluster_EDS {
			built.Refs = []resource.Name{{Type: resource.Endpoints, Name: name}}
		}
		return built
	}
	if view.IsRouter(r) {
		return resource.Built{}
	}
	switch name {
	case passthroughCluster:
		return resource.Built{Msg: originalDestination(name)}
	case inboundPassthroughCluster:
		return resource.Built{Msg: fromInbound(originalDestination(name))}
	}
	if port, ok := parseUnknown(name); ok {
		return unknownCluster(r, name, port)
	}
	port, ok := parseInbound(name)
	if !ok {
		return resource.Built{}
	}
	protocol := view.ServedProtocol(r, port)
	if protocol == "" {
		return resource.Built{}
	}
	c := fromInbound(originalDestination(name))
	// The application gets what its port declares, whatever the hop spoke.
	c.TypedExtensionProtocolOptions = nil
	setHTTP(c, httpOptions(protocol, nil, nil))
	return resource.Built{Msg: c}
}

// originalDestination is a cluster that connects to where the client wanted to,
// and puts no bound on it.
func originalDestination(name string) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST},
		LbPolicy:             clusterv3.Cluster_CLUSTER_PROVIDED,
		ConnectTimeout:       envoy.Duration(connectTimeout),
		CircuitBreakers:      circuitBreakers(nil),
	}
	setHTTP(c, httpOptions(mesh.ProtocolAuto, nil, nil))
	return c
}

// fromInbound makes a cluster call from the address that capture leaves alone.
func fromInbound(c *clusterv3.Cluster) *clusterv3.Cluster {
	c.UpstreamBindConfig = &corev3.BindConfig{SourceAddress: &corev3.SocketAddress{
		Address: inboundSource, PortSpecifier: &corev3.SocketAddress_PortValue{},
	}}
	return c
}

// target is what an outbound cluster and its endpoints stand for.
type target struct {
	name    string
	service *mesh.Service
	port    *mesh.ServicePort
	// subset is nil for the whole service.
	subset  *mesh.Subset
	traffic mesh.TrafficPolicy
	kind    clusterv3.Cluster_DiscoveryType
}

// findTarget is false if the proxy does not have the cluster.
func findTarget(r mesh.Reader, port int32, subset, host string) (target, bool) {
	t := target{name: outboundName(port, subset, host), service: view.VisibleService(r, host)}
	if t.service == nil {
		return t, false
	}
	if t.port = view.Port(t.service, port); t.port == nil {
		return t, false
	}
	policy := view.PolicyOf(r, t.service)
	if subset != "" {
		if t.subset = policy.Subset(subset); t.subset == nil {
			return t, false
		}
	}
	t.traffic = policy.For(t.subset, port)
	t.kind = discoveryType(r, t)
	return t, true
}

// discoveryType follows Istio: a client of a headless service, or of one whose
// balancer is PASSTHROUGH, gets the address that it dialled. Gateways have no
// such address.
func discoveryType(r mesh.Reader, t target) clusterv3.Cluster_DiscoveryType {
	switch lb := t.traffic.LoadBalancer; {
	case t.service.ExternalName != "":
		return clusterv3.Cluster_STRICT_DNS
	case (t.service.Headless || lb != nil && lb.Algorithm == mesh.Passthrough) && !view.IsRouter(r):
		return clusterv3.Cluster_ORIGINAL_DST
	}
	return clusterv3.Cluster_EDS
}

func outboundCluster(r mesh.Reader, t target) proto.Message {
	c := &clusterv3.Cluster{
		Name:                 t.name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: t.kind},
		ConnectTimeout:       envoy.Duration(connectTimeout),
	}
	switch t.kind {
	case clusterv3.Cluster_EDS:
		c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: envoy.ADS(endpointsTimeout)}
		c.IgnoreHealthOnHostRemoval = true
	case clusterv3.Cluster_STRICT_DNS:
		c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: envoy.DNS()}
		c.LoadAssignment = externalEndpoint(t)
	}
	setTraffic(c, t)
	setTLS(r, c, t)
	return c
}

// externalEndpoint is the name that an ExternalName service stands for.
func externalEndpoint(t target) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: t.name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: envoy.Address(t.service.ExternalName, t.port.Number)},
			}}},
		}},
	}
}

// unlimited is Istio's default for what a pool may hold.
const unlimited = math.MaxUint32
