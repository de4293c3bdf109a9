package translate

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// sniffTimeout bounds how long a connection of an unknown protocol waits for
// the client's first bytes. Without a bound a server that speaks first hangs.
const sniffTimeout = time.Second

// connectAttempts is how many endpoints a TCP client is tried to be connected
// to: one that has just died shall not cost a connection.
const connectAttempts = 3

// outboundCapture is the one outbound listener that is bound. Capture sends all
// that leaves the pod here; Envoy hands it to the listener of the address that
// was dialled, or keeps it if there is none. It must not read a byte before it
// hands over, so it has no inspector.
func outboundCapture(r mesh.Reader) resource.Built {
	unknown := blackHoleCluster
	if view.AllowsAny(r) {
		unknown = passthroughCluster
	}
	return resource.Built{
		Msg: &listenerv3.Listener{
			Name:             virtualOutbound,
			Address:          envoy.Address(anyAddress, outboundPort),
			TrafficDirection: corev3.TrafficDirection_OUTBOUND,
			UseOriginalDst:   envoy.Bool(true),
			FilterChains: []*listenerv3.FilterChain{{
				Name:             "virtualOutbound-blackhole",
				FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: envoy.UInt32(outboundPort)},
				Filters:          []*listenerv3.Filter{envoy.TCPTo(blackHoleCluster)},
			}},
			DefaultFilterChain: &listenerv3.FilterChain{
				Name:    "virtualOutbound-catchall-tcp",
				Filters: []*listenerv3.Filter{envoy.TCPTo(unknown)},
			},
		},
		Refs: clusters(blackHoleCluster, unknown),
	}
}

// inner is a listener that only takes over what the capture listener restored.
func inner(name, address string, port int32) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:             name,
		Address:          envoy.Address(address, port),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		BindToPort:       envoy.Bool(false),
	}
}

// httpListener is shared by all HTTP services of a port; their virtual hosts
// tell them apart.
func httpListener(r mesh.Reader, name string, port int32) resource.Built {
	if !view.HasHTTP(r, port) {
		return resource.Built{}
	}
	l := inner(name, anyAddress, port)
	m := outboundHTTP("outbound_"+name, sidecarRoute(port))
	l.FilterChains = []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{envoy.HTTP(m)}}}
	return resource.Built{Msg: l, Refs: routeRefs(sidecarRoute(port))}
}

// addressListener is for what only the address tells: a port of a service that
// is not HTTP, or of a pod behind a headless service.
func addressListener(r mesh.Reader, name, address string, port int32) resource.Built {
	if s, p := view.VisibleAt(r, address, port); s != nil {
		if p.Protocol.IsHTTP() {
			return resource.Built{}
		}
		to := outboundName(port, "", s.Hostname)
		l := inner(name, address, port)
		tcp := &listenerv3.FilterChain{Filters: []*listenerv3.Filter{outboundTCP(r, s, port, to)}}
		if p.Protocol == mesh.ProtocolAuto {
			return resource.Built{Msg: sniffed(l, tcp, s, port), Refs: append(clusters(to), routeRefs(sniffedRoute(s.Hostname, port))...)}
		}
		l.FilterChains = []*listenerv3.FilterChain{tcp}
		return resource.Built{Msg: l, Refs: clusters(to)}
	}
	s, p, e := view.HeadlessAt(r, address, port)
	if s == nil {
		return resource.Built{}
	}
	to := outboundName(p.Number, "", s.Hostname)
	if !e.Mutual {
		to = passthroughCluster
	}
	l := inner(name, address, port)
	l.FilterChains = []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{outboundTCP(r, s, p.Number, to)}}}
	return resource.Built{Msg: l, Refs: clusters(to)}
}

// outboundTCP passes bytes to a cluster, within the bounds of its policy.
func outboundTCP(r mesh.Reader, s *mesh.Service, port int32, to string) *listenerv3.Filter {
	m := &tcpproxyv3.TcpProxy{
		StatPrefix:         to,
		ClusterSpecifier:   &tcpproxyv3.TcpProxy_Cluster{Cluster: to},
		MaxConnectAttempts: envoy.UInt32(connectAttempts),
	}
	traffic := view.PolicyOf(r, s).For(nil, port)
	if pool := traffic.Pool; pool != nil {
		if d := pool.TCPIdleTimeout; d != nil {
			m.IdleTimeout = envoy.Duration(*d)
		}
		if pool.MaxConnectionDuration > 0 {
			m.MaxDownstreamConnectionDuration = envoy.Duration(pool.MaxConnectionDuration)
		}
	}
	if lb := traffic.LoadBalancer; lb != nil && lb.Hash != nil && lb.Hash.SourceIP {
		m.HashPolicy = []*typev3.HashPolicy{{PolicySpecifier: &typev3.HashPolicy_SourceIp_{SourceIp: &typev3.HashPolicy_SourceIp{}}}}
	}
	return envoy.TCP(m)
}

// sniffed makes a listener look at the first bytes: HTTP goes by routes, all
// else by tcp. Each HTTP chain knows which HTTP it is, so it can say so to the
// server's ALPN match.
func sniffed(l *listenerv3.Listener, tcp *listenerv3.FilterChain, s *mesh.Service, port int32) *listenerv3.Listener {
	l.ListenerFilters = []*listenerv3.ListenerFilter{envoy.HTTPInspector()}
	l.ListenerFiltersTimeout = envoy.Duration(sniffTimeout)
	l.ContinueOnListenerFiltersTimeout = true
	l.DefaultFilterChain = tcp
	for _, http := range []struct {
		name     string
		detected []string
		offer    string
	}{
		{"http1", []string{"http/1.0", "http/1.1"}, "istio-http/1.1,istio,http/1.1"},
		{"http2", []string{"h2c"}, "istio-h2,istio,h2"},
	} {
		m := outboundHTTP("outbound_"+l.GetName(), sniffedRoute(s.Hostname, port))
		m.HttpFilters = append(m.HttpFilters[:0:0], append([]*httpFilter{envoy.ALPN(http.offer)}, m.GetHttpFilters()...)...)
		l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{
			Name: http.name,
			FilterChainMatch: &listenerv3.FilterChainMatch{
				TransportProtocol:    "raw_buffer",
				ApplicationProtocols: http.detected,
			},
			Filters: []*listenerv3.Filter{envoy.HTTP(m)},
		})
	}
	return l
}
