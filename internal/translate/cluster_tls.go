package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/view"
)

// What the mesh's TLS offers by ALPN, as Istio's sidecars do: the first word
// tells the server whether HTTP is inside, the last is what is really spoken.
var (
	alpnTCP   = []string{"istio"}
	alpnHTTP1 = []string{"istio-http/1.1", "istio", "http/1.1"}
	alpnHTTP2 = []string{"istio-h2", "istio", "h2"}
)

// The metadata of an endpoint that accepts the mesh's TLS.
const (
	tlsModeKey   = "tlsMode"
	tlsModeIstio = "istio"
)

// systemRoots is where the proxy's image has the public authorities.
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// setTLS secures a cluster as its policy says, or, without one, as each
// endpoint can (automatic mTLS).
func setTLS(r mesh.Reader, c *clusterv3.Cluster, t target) {
	policy := t.traffic.TLS
	switch {
	case policy != nil && policy.Mode == mesh.TLSSimple:
		c.TransportSocket = simpleTLS(t, policy)
	case policy != nil && policy.Mode == mesh.TLSMutual:
		c.TransportSocket = mutualTLS(r, t, policy)
	case policy != nil, t.kind == clusterv3.Cluster_STRICT_DNS:
		// Disabled, or not of the mesh.
	case t.kind == clusterv3.Cluster_ORIGINAL_DST:
		// Its hosts have no metadata. TCP comes here only for endpoints that
		// accept the mesh's TLS: their listeners know.
		if !t.port.Protocol.IsHTTP() && t.service.Headless || view.AllMutual(r, t.service, t.port) {
			c.TransportSocket = mutualTLS(r, t, nil)
		}
	case len(view.IdentitiesOf(r, t.service)) == 0:
		// No endpoint has the mesh's TLS. The first pod that has brings an
		// identity, and changes the cluster by that anyway.
	default:
		// What does not match is plaintext: Envoy's default.
		c.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{{
			Name:            "tlsMode-istio",
			Match:           &structpb.Struct{Fields: map[string]*structpb.Value{tlsModeKey: structpb.NewStringValue(tlsModeIstio)}},
			TransportSocket: mutualTLS(r, t, nil),
		}}
	}
}

// mutualTLS is the mesh's TLS to a peer that has one of the service's names.
func mutualTLS(r mesh.Reader, t target, policy *mesh.ClientTLS) *corev3.TransportSocket {
	var names []*tlsv3.SubjectAltNameMatcher
	wanted := view.IdentitiesOf(r, t.service)
	subset := ""
	if t.subset != nil {
		subset = t.subset.Name
	}
	sni := serverName(t.port.Number, subset, t.service.Hostname)
	if policy != nil && len(policy.SubjectAltNames) > 0 {
		wanted = policy.SubjectAltNames
	}
	if policy != nil && policy.SNI != "" {
		sni = policy.SNI
	}
	for _, id := range wanted {
		names = append(names, envoy.URI(envoy.Exact(id)))
	}
	if len(names) == 0 {
		// Nobody is behind the service yet; whoever comes is of the mesh.
		names = append(names, trustDomainMatch(r))
	}
	return envoy.ClientTLS(&tlsv3.UpstreamTlsContext{Sni: sni, CommonTlsContext: envoy.Mutual(names, alpn(t))})
}

// trustDomainMatch holds for every workload of the mesh.
func trustDomainMatch(l mesh.Lookup) *tlsv3.SubjectAltNameMatcher {
	return envoy.URI(envoy.Prefix("spiffe://" + view.Config(l).TrustDomain + "/"))
}

// alpn is what a cluster offers. Where the protocol is sniffed it says TCP, and
// the listener's HTTP chains say otherwise for each request.
func alpn(t target) []string {
	switch {
	case speaksHTTP2(t.port.Protocol, t.traffic.Pool):
		return alpnHTTP2
	case t.port.Protocol == mesh.ProtocolHTTP:
		return alpnHTTP1
	}
	return alpnTCP
}

// simpleTLS verifies the server by the public authorities and by its name.
func simpleTLS(t target, policy *mesh.ClientTLS) *corev3.TransportSocket {
	sni := policy.SNI
	if sni == "" {
		sni = t.service.Hostname
		if t.service.ExternalName != "" {
			sni = t.service.ExternalName
		}
	}
	wanted := policy.SubjectAltNames
	if len(wanted) == 0 {
		wanted = []string{sni}
	}
	var names []*tlsv3.SubjectAltNameMatcher
	for _, n := range wanted {
		for _, kind := range []tlsv3.SubjectAltNameMatcher_SanType{tlsv3.SubjectAltNameMatcher_DNS, tlsv3.SubjectAltNameMatcher_URI} {
			names = append(names, &tlsv3.SubjectAltNameMatcher{SanType: kind, Matcher: envoy.Exact(n)})
		}
	}
	var protocols []string
	if speaksHTTP2(t.port.Protocol, t.traffic.Pool) {
		protocols = []string{"h2"}
	}
	return envoy.ClientTLS(&tlsv3.UpstreamTlsContext{Sni: sni, CommonTlsContext: &tlsv3.CommonTlsContext{
		AlpnProtocols: protocols,
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa:                 &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: systemRoots}},
			MatchTypedSubjectAltNames: names,
		}},
	}})
}
