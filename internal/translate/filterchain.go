package translate

import (
	"slices"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
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

// handshakeTimeout bounds the TLS handshake of a client that was expected to
// speak TLS at once. One that does not would otherwise hang.
const handshakeTimeout = time.Second

// source is who a client is, as far as its address tells.
type source int

const (
	anySource source = iota
	meshSource
	otherSource
	unknownSource
)

// chain is one way into the pod.
type chain struct {
	name string
	// port is 0 for all that no other chain has.
	port int32
	// transport "" is any; alpn nil is any.
	transport string
	alpn      []string
	source    source

	mutual bool
	http   bool
	to     string
}

// chains are all ways into the pod.
type chains []chain

// served adds the ways into a served port, as Istio has them.
func (cs *chains) served(p view.ServedPort, mode mesh.MTLSMode) {
	name, to := listenerName(anyAddress, p.Port), inboundName(p.Port)
	auto, http := p.Protocol == mesh.ProtocolAuto, p.Protocol.IsHTTP()
	if mode != mesh.MTLSDisable {
		offered := offeredForAny
		if auto {
			*cs = append(*cs, chain{name: name + "-mtls-http", port: p.Port, transport: transportTLS, alpn: offeredForHTTP, mutual: true, http: true, to: to})
			offered = offeredForTCP
		}
		if mode == mesh.MTLSStrict {
			// Nothing but the mesh's TLS comes in, whatever it offers.
			offered = nil
		}
		*cs = append(*cs, chain{name: name + "-mtls", port: p.Port, transport: transportTLS, alpn: offered, mutual: true, http: http, to: to})
	}
	if mode == mesh.MTLSStrict {
		return
	}
	if auto {
		*cs = append(*cs, chain{name: name + "-http", port: p.Port, transport: transportPlain, alpn: []string{"http/1.0", "http/1.1", "h2c"}, http: true, to: to})
	}
	*cs = append(*cs, chain{name: name, port: p.Port, transport: transportPlain, http: http, to: to})
	if !http {
		// TLS of the application's own.
		*cs = append(*cs, chain{name: name + "-tls", port: p.Port, transport: transportTLS, to: to})
	}
}

// speaksFirst adds the ways into a port whose server talks first: pods of the
// mesh are known to use its TLS, other pods not to; who is neither is looked at.
func (cs *chains) speaksFirst(port int32) {
	name, to := listenerName(anyAddress, port), inboundName(port)
	*cs = append(*cs,
		chain{name: name + "-mtls", port: port, source: meshSource, mutual: true, to: to},
		chain{name: name, port: port, source: otherSource, to: to},
		chain{name: name + "-unknown", port: port, source: unknownSource, to: unknownName(port)},
	)
}

// undeclared adds the ways into ports that no service sends to. Ports that a
// policy names, and no service, get their own mode.
func (cs *chains) undeclared(modes *view.Inbound) {
	for _, p := range modes.Ports {
		if !slices.ContainsFunc(*cs, func(c chain) bool { return c.port == p.Port }) {
			cs.passthrough(listenerName(anyAddress, p.Port)+"-catchall", p.Port, p.Mode)
		}
	}
	cs.passthrough("virtualInbound-catchall", 0, modes.Mode)
}

func (cs *chains) passthrough(name string, port int32, mode mesh.MTLSMode) {
	if mode != mesh.MTLSDisable {
		offered := offeredForAny
		if mode == mesh.MTLSStrict {
			offered = nil
		}
		*cs = append(*cs, chain{name: name + "-mtls", port: port, transport: transportTLS, alpn: offered, mutual: true, to: inboundPassthroughCluster})
	}
	if mode != mesh.MTLSStrict {
		*cs = append(*cs, chain{name: name, port: port, to: inboundPassthroughCluster})
	}
}

func (cs chains) bySource() bool {
	return slices.ContainsFunc(cs, func(c chain) bool { return c.source != anySource })
}

// cluster is where a chain leads.
func (c chain) cluster() string { return c.to }

// filterChain is the chain with its match.
func (c chain) filterChain(context *tlsv3.DownstreamTlsContext) *listenerv3.FilterChain {
	match := &listenerv3.FilterChainMatch{TransportProtocol: c.transport, ApplicationProtocols: c.alpn}
	if c.port != 0 {
		match.DestinationPort = envoy.UInt32(uint32(c.port))
	}
	out := &listenerv3.FilterChain{Name: c.name, FilterChainMatch: match}
	if c.mutual {
		out.TransportSocket = envoy.ServerTLS(context)
	}
	if c.source == meshSource {
		out.TransportSocketConnectTimeout = envoy.Duration(handshakeTimeout)
	}
	switch {
	case c.http:
		out.Filters = []*listenerv3.Filter{envoy.HTTP(inboundHTTP(c.port))}
	case c.source == unknownSource:
		out.Filters = []*listenerv3.Filter{envoy.KeepDestination(), envoy.TCPTo(c.to)}
	default:
		out.Filters = []*listenerv3.Filter{envoy.TCPTo(c.to)}
	}
	return out
}
