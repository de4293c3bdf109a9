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

// inboundCapture is the one inbound listener: all that enters the pod comes
// here, and the chain is chosen by port, TLS and ALPN.
func inboundCapture(r mesh.Reader) resource.Built {
	ports := view.ServedPorts(r)
	modes := view.ProxyInbound(r)
	l := &listenerv3.Listener{
		Name:                             virtualInbound,
		Address:                          envoy.Address(anyAddress, inboundPort),
		TrafficDirection:                 corev3.TrafficDirection_INBOUND,
		ListenerFilters:                  inspectors(ports, modes),
		ListenerFiltersTimeout:           envoy.Duration(sniffTimeout),
		ContinueOnListenerFiltersTimeout: true,
	}
	// What was sent to the listener itself would go round in a circle.
	chains := chains{{name: "virtualInbound-blackhole", port: inboundPort, to: blackHoleCluster}}
	for _, p := range ports {
		if speaksFirst(p, modes) {
			chains.speaksFirst(p.Port)
		} else {
			chains.served(p, modes.Of(p.Port))
		}
	}
	chains.undeclared(modes)
	context := mutualServer(r)
	var refs []string
	for _, c := range chains {
		l.FilterChains = append(l.FilterChains, c.filterChain(context))
		refs = append(refs, c.cluster())
	}
	if chains.bySource() {
		// Whose turn it is to speak depends on the client, which no plain match
		// can say without closing connections whenever a pod comes or goes.
		l.FilterChainMatcher = chains.matcher(view.KnownSources(r))
		for _, c := range l.GetFilterChains() {
			c.FilterChainMatch = nil
		}
	}
	return resource.Built{Msg: l, Refs: clusters(refs...)}
}

// speaksFirst reports whether the server on a port talks before its client, who
// may use the mesh's TLS or not: then no byte can tell which.
func speaksFirst(p view.ServedPort, modes *view.Inbound) bool {
	return p.Protocol == mesh.ProtocolServerFirst && modes.Of(p.Port) == mesh.MTLSPermissive
}

// inspectors look at the first bytes where something depends on them.
func inspectors(ports []view.ServedPort, modes *view.Inbound) []*listenerv3.ListenerFilter {
	tls := envoy.TLSInspector()
	var silent, sniffed []int32
	for _, p := range ports {
		mode := modes.Of(p.Port)
		if mode == mesh.MTLSDisable || speaksFirst(p, modes) {
			silent = append(silent, p.Port)
		}
		if p.Protocol == mesh.ProtocolAuto && mode != mesh.MTLSStrict {
			sniffed = append(sniffed, p.Port)
		}
	}
	if len(silent) > 0 {
		tls.FilterDisabled = anyOf(silent)
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
	markUnreached(m)
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
				Match: everyPath(),
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
