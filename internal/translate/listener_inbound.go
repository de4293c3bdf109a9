package translate

import (
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// What clients of the mesh offer by ALPN, those of Istio included.
var (
	offeredForHTTP = []string{"istio-http/1.0", "istio-http/1.1", "istio-h2"}
	offeredForTCP  = []string{"istio-peer-exchange", "istio"}
	offeredForAny  = []string{"istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"}
)

// negotiated is what the server side agrees to. Envoy takes exactly "h2" for
// HTTP/2, so no word of the mesh may be in it.
var negotiated = []string{"h2", "http/1.1"}

// How a chain knows its connections.
const (
	transportTLS   = "tls"
	transportPlain = "raw_buffer"
)

// inboundCapture is the one inbound listener: all that enters the pod comes
// here, and the chain is chosen by port, TLS and ALPN.
func inboundCapture(r mesh.Reader) resource.Built {
	ports := view.ServedPorts(r)
	modes := view.ProxyInbound(r)
	in := &inbound{context: mutualServer(r)}
	l := &listenerv3.Listener{
		Name:                             virtualInbound,
		Address:                          envoy.Address(anyAddress, inboundPort),
		TrafficDirection:                 corev3.TrafficDirection_INBOUND,
		ListenerFiltersTimeout:           envoy.Duration(sniffTimeout),
		ContinueOnListenerFiltersTimeout: true,
	}
	refs := []string{blackHoleCluster, inboundPassthroughCluster}
	// What was sent to the listener itself would go round in a circle.
	in.add(chain{name: "virtualInbound-blackhole", port: inboundPort, to: blackHoleCluster})
	for _, p := range ports {
		in.port(p, modes.Of(p.Port))
		refs = append(refs, inboundName(p.Port))
	}
	in.undeclared(modes)
	l.FilterChains = in.chains
	l.ListenerFilters = inspectors(ports, modes)
	return resource.Built{Msg: l, Refs: clusters(refs...)}
}

// inbound collects filter chains.
type inbound struct {
	// context is the server's side of the mesh's TLS.
	context *tlsv3.DownstreamTlsContext
	chains  []*listenerv3.FilterChain
}

// chain is one way in.
type chain struct {
	name string
	// port is 0 for all that no other chain has.
	port      int32
	transport string
	alpn      []string
	mutual    bool
	http      bool
	to        string
}

func (in *inbound) add(c chain) {
	match := &listenerv3.FilterChainMatch{TransportProtocol: c.transport, ApplicationProtocols: c.alpn}
	if c.port != 0 {
		match.DestinationPort = envoy.UInt32(uint32(c.port))
	}
	out := &listenerv3.FilterChain{Name: c.name, FilterChainMatch: match}
	if c.mutual {
		out.TransportSocket = envoy.ServerTLS(in.context)
	}
	if c.http {
		out.Filters = []*listenerv3.Filter{envoy.HTTP(inboundHTTP(c.port))}
	} else {
		out.Filters = []*listenerv3.Filter{envoy.TCPTo(c.to)}
	}
	in.chains = append(in.chains, out)
}

// port adds the chains of a served port, as Istio's filter chain options have
// them.
func (in *inbound) port(p view.ServedPort, mode mesh.MTLSMode) {
	name, to := listenerName(anyAddress, p.Port), inboundName(p.Port)
	auto, http := p.Protocol == mesh.ProtocolAuto, p.Protocol.IsHTTP()
	if mode != mesh.MTLSDisable {
		offered := offeredForAny
		if mode == mesh.MTLSStrict {
			// Nothing but the mesh's TLS comes in, whatever it offers.
			offered = nil
		}
		if auto {
			in.add(chain{name: name + "-mtls-http", port: p.Port, transport: transportTLS, alpn: offeredForHTTP, mutual: true, http: true})
			if offered != nil {
				offered = offeredForTCP
			}
		}
		in.add(chain{name: name + "-mtls", port: p.Port, transport: transportTLS, alpn: offered, mutual: true, http: http, to: to})
	}
	if mode == mesh.MTLSStrict {
		return
	}
	if auto {
		in.add(chain{name: name + "-http", port: p.Port, transport: transportPlain, alpn: []string{"http/1.0", "http/1.1", "h2c"}, http: true})
	}
	in.add(chain{name: name, port: p.Port, transport: transportPlain, http: http, to: to})
	if !http {
		// TLS of the application's own.
		in.add(chain{name: name + "-tls", port: p.Port, transport: transportTLS, to: to})
	}
}

// undeclared adds the chains for ports that no service sends to. Ports that a
// policy names, and no service, get their own mode.
func (in *inbound) undeclared(modes *view.Inbound) {
	in.passthrough("virtualInbound-catchall", 0, modes.Mode)
	for _, p := range modes.Ports {
		if !in.has(p.Port) {
			in.passthrough(listenerName(anyAddress, p.Port)+"-catchall", p.Port, p.Mode)
		}
	}
}

func (in *inbound) has(port int32) bool {
	for _, c := range in.chains {
		if c.GetFilterChainMatch().GetDestinationPort().GetValue() == uint32(port) {
			return true
		}
	}
	return false
}

func (in *inbound) passthrough(name string, port int32, mode mesh.MTLSMode) {
	if mode != mesh.MTLSDisable {
		offered := offeredForAny
		if mode == mesh.MTLSStrict {
			offered = nil
		}
		in.add(chain{name: name + "-mtls", port: port, transport: transportTLS, alpn: offered, mutual: true, to: inboundPassthroughCluster})
	}
	if mode != mesh.MTLSStrict {
		in.add(chain{name: name, port: port, to: inboundPassthroughCluster})
	}
}

// inspectors look at the first bytes where something depends on them.
func inspectors(ports []view.ServedPort, modes *view.Inbound) []*listenerv3.ListenerFilter {
	tls := envoy.TLSInspector()
	var plain, sniffed []int32
	for _, p := range ports {
		mode := modes.Of(p.Port)
		if mode == mesh.MTLSDisable {
			plain = append(plain, p.Port)
		}
		if p.Protocol == mesh.ProtocolAuto && mode != mesh.MTLSStrict {
			sniffed = append(sniffed, p.Port)
		}
	}
	if len(plain) > 0 {
		tls.FilterDisabled = anyOf(plain)
	}
	out := []*listenerv3.ListenerFilter{envoy.OriginalDestination(), tls}
	if len(sniffed) > 0 {
		http := envoy.HTTPInspector()
		http.FilterDisabled = &listenerv3.ListenerFilterChainMatchPredicate{
			Rule: &listenerv3.ListenerFilterChainMatchPredicate_NotMatch{NotMatch: anyOf(sniffed)},
		}
		out = append(out, http)
	}
	return out
}

// anyOf holds for connections to one of these ports.
func anyOf(ports []int32) *listenerv3.ListenerFilterChainMatchPredicate {
	var rules []*listenerv3.ListenerFilterChainMatchPredicate
	for _, p := range ports {
		rules = append(rules, &listenerv3.ListenerFilterChainMatchPredicate{
			Rule: &listenerv3.ListenerFilterChainMatchPredicate_DestinationPortRange{
				DestinationPortRange: &typev3.Int32Range{Start: p, End: p + 1},
			},
		})
	}
	if len(rules) == 1 {
		return rules[0]
	}
	return &listenerv3.ListenerFilterChainMatchPredicate{Rule: &listenerv3.ListenerFilterChainMatchPredicate_OrMatch{
		OrMatch: &listenerv3.ListenerFilterChainMatchPredicate_MatchSet{Rules: rules},
	}}
}

// mutualServer accepts workloads of the mesh only. Sessions are not resumed:
// a resumed one would outlive its certificate's authority.
func mutualServer(l mesh.Lookup) *tlsv3.DownstreamTlsContext {
	return &tlsv3.DownstreamTlsContext{
		CommonTlsContext:         envoy.Mutual([]*tlsv3.SubjectAltNameMatcher{trustDomainMatch(l)}, negotiated),
		RequireClientCertificate: envoy.Bool(true),
		SessionTicketKeysType:    &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true},
	}
}

// inboundHTTP routes all requests of a port to the pod. The application learns
// who called from x-forwarded-client-cert.
func inboundHTTP(port int32) *hcmv3.HttpConnectionManager {
	to := inboundName(port)
	m := connectionManager("inbound_" + listenerName(anyAddress, port))
	m.ServerHeaderTransformation = hcmv3.HttpConnectionManager_PASS_THROUGH
	m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_APPEND_FORWARD
	m.SetCurrentClientCertDetails = certDetails()
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
		Name:             to,
		ValidateClusters: envoy.Bool(false),
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    "inbound|http|" + strconv.Itoa(int(port)),
			Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Name:  "default",
				Match: prefixMatch("/"),
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: to},
					Timeout:          envoy.Duration(0),
				}},
			}},
		}},
	}}
	return m
}

func certDetails() *hcmv3.HttpConnectionManager_SetCurrentClientCertDetails {
	return &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Subject: envoy.Bool(true), Dns: true, Uri: true}
}
