package translate

import (
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// A client of a server that speaks first, whose address no pod has: it may be a
// pod of the mesh that is not known yet. It is handed to a listener of its own
// inside Envoy, which waits briefly for the first bytes of TLS. The wait cannot
// be had in the capture listener: it would be every port's.

// unknownTimeout is how long such a client is waited for. A proxy that is held up
// for longer, or whose first bytes are lost on the way, is taken for plaintext and
// loses the connection: 200 ms were less than a retransmission takes.
const unknownTimeout = time.Second

// unknownListenerName is the listener of a port of the pod.
func unknownListenerName(port int32) string { return listenerName("virtualInbound-unknown", port) }

func parseUnknownListener(name string) (int32, bool) {
	rest, ok := strings.CutPrefix(name, "virtualInbound-unknown_")
	if !ok {
		return 0, false
	}
	return number(rest)
}

// unknownName is the cluster that leads to unknownListener.
func unknownName(port int32) string {
	return "inbound-unknown|" + strings.TrimPrefix(inboundName(port), "inbound|")
}

func parseUnknown(name string) (int32, bool) {
	rest, ok := strings.CutPrefix(name, "inbound-unknown|")
	if !ok {
		return 0, false
	}
	return parseInbound("inbound|" + rest)
}

// unknownPorts are the ports of a service that may need such a listener.
func unknownPorts(s *mesh.Service) []int32 {
	for _, p := range s.Ports {
		if p.Protocol == mesh.ProtocolServerFirst {
			return view.Targets(s)
		}
	}
	return nil
}

// expected reports whether the pod has a server that speaks first on a port
// and lets in plaintext.
func expected(r mesh.Reader, port int32) bool {
	p := view.ServedPort{Port: port, Protocol: view.ServedProtocol(r, port)}
	return p.Protocol == mesh.ProtocolServerFirst && speaksFirst(p, view.ProxyInbound(r))
}

func unknownCluster(r mesh.Reader, name string, port int32) resource.Built {
	if !expected(r, port) {
		return resource.Built{}
	}
	return resource.Built{Msg: &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       envoy.Duration(connectTimeout),
		CircuitBreakers:      circuitBreakers(nil),
		TransportSocket:      envoy.Internal(),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: envoy.InternalAddress(unknownListenerName(port)),
				}},
			}}}},
		},
	}}
}

func unknownListener(r mesh.Reader, name string, port int32) resource.Built {
	if !expected(r, port) {
		return resource.Built{}
	}
	l := &listenerv3.Listener{
		Name:                             name,
		ListenerSpecifier:                &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		TrafficDirection:                 corev3.TrafficDirection_INBOUND,
		ListenerFilters:                  []*listenerv3.ListenerFilter{envoy.TLSInspector()},
		ListenerFiltersTimeout:           envoy.Duration(unknownTimeout),
		ContinueOnListenerFiltersTimeout: true,
	}
	context := mutualServer(r)
	to := inboundName(port)
	for _, c := range []chain{
		{name: "mtls", transport: transportTLS, alpn: offeredForAny, mutual: true, to: to},
		{name: "plaintext", to: to},
	} {
		l.FilterChains = append(l.FilterChains, c.filterChain(context))
	}
	return resource.Built{Msg: l, Refs: clusters(to)}
}
