package translate

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// gatewayListener opens a port of a gateway's pod for all servers that are
// served there. A server that cannot be opened leaves the others alone.
func gatewayListener(r mesh.Reader, name string, port int32) resource.Built {
	l := &listenerv3.Listener{
		Name:             name,
		Address:          envoy.Address(anyAddress, port),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
	}
	var refs []resource.Name
	claimed := map[string]bool{}
	for _, b := range view.BindingsOn(r, port) {
		switch b.Server.Protocol {
		case mesh.ServerHTTP:
			if len(l.FilterChains) == 0 {
				l.FilterChains = []*listenerv3.FilterChain{{
					Filters: []*listenerv3.Filter{envoy.HTTP(gatewayHTTP("outbound_"+name, httpRoute(port)))},
				}}
				refs = routeRefs(httpRoute(port))
			}
		case mesh.ServerHTTPS:
			c, needs := httpsChain(r, b, claimed)
			if c == nil {
				continue
			}
			l.FilterChains = append(l.FilterChains, c)
			l.ListenerFilters = []*listenerv3.ListenerFilter{envoy.TLSInspector()}
			refs = append(refs, needs...)
		}
	}
	if len(l.FilterChains) == 0 {
		return resource.Built{}
	}
	return resource.Built{Msg: l, Refs: refs}
}

// httpsChain terminates TLS for the hosts of a server that no older server of
// the port has. nil if there is none, or no certificate.
func httpsChain(r mesh.Reader, b view.Binding, claimed map[string]bool) (*listenerv3.FilterChain, []resource.Name) {
	tls := b.Server.TLS
	if tls == nil || tls.Mode == mesh.ServerPassthrough || !view.Usable(view.CredentialFor(r, tls.Credential), tls) {
		return nil, nil
	}
	var names []string
	for _, h := range view.Hosts(b.Server) {
		if !claimed[h] {
			claimed[h] = true
			names = append(names, h)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	match := &listenerv3.FilterChainMatch{}
	// "*" is every name, also none: a chain without names.
	if !slices.Contains(names, "*") {
		slices.Sort(names)
		match.ServerNames = names
	}
	route := httpsRoute(b.Gateway, b.Server)
	socket, refs := serverTLS(tls)
	return &listenerv3.FilterChain{
		Name:             route,
		FilterChainMatch: match,
		TransportSocket:  socket,
		Filters:          []*listenerv3.Filter{envoy.HTTP(gatewayHTTP("outbound_"+route, route))},
	}, append(refs, routeRefs(route)...)
}

func serverTLS(tls *mesh.ServerTLS) (*corev3.TransportSocket, []resource.Name) {
	certificate := secretPrefix + tls.Credential
	refs := []resource.Name{{Type: resource.Secret, Name: certificate}}
	common := &tlsv3.CommonTlsContext{
		AlpnProtocols:                  negotiated,
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{envoy.ADSSecret(certificate)},
	}
	if tls.MinVersion != "" || tls.MaxVersion != "" {
		common.TlsParams = &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsVersion(tls.MinVersion),
			TlsMaximumProtocolVersion: tlsVersion(tls.MaxVersion),
		}
	}
	mutual := tls.Mode == mesh.ServerMutual
	if mutual {
		refs = append(refs, resource.Name{Type: resource.Secret, Name: certificate + authoritySuffix})
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
			ValidationContextSdsSecretConfig: envoy.ADSSecret(certificate + authoritySuffix),
		}
	}
	return envoy.ServerTLS(&tlsv3.DownstreamTlsContext{
		CommonTlsContext:         common,
		RequireClientCertificate: envoy.Bool(mutual),
	}), refs
}

// tlsVersion reads Envoy's name of a version; "" is Envoy's default.
func tlsVersion(name string) tlsv3.TlsParameters_TlsProtocol {
	return tlsv3.TlsParameters_TlsProtocol(tlsv3.TlsParameters_TlsProtocol_value[name])
}

// gatewayHTTP is for clients from outside: their address is the connection's,
// and what they say about client certificates is replaced.
func gatewayHTTP(prefix, route string) *hcmv3.HttpConnectionManager {
	m := connectionManager(prefix)
	m.UseRemoteAddress = envoy.Bool(true)
	m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
	m.SetCurrentClientCertDetails = certDetails()
	setRoutes(m, route)
	return m
}
