package istio

import (
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// policyParts is what a policy and a port's policy have in common.
type policyParts interface {
	GetLoadBalancer() *networkingv1alpha3.LoadBalancerSettings
	GetConnectionPool() *networkingv1alpha3.ConnectionPoolSettings
	GetOutlierDetection() *networkingv1alpha3.OutlierDetection
	GetTls() *networkingv1alpha3.ClientTLSSettings
}

func (r reader) policy(at *field.Path, m *networkingv1alpha3.TrafficPolicy) mesh.TrafficPolicy {
	if m == nil {
		return mesh.TrafficPolicy{}
	}
	out := r.policyParts(at, m)
	seen := map[int32]bool{}
	for i, port := range m.GetPortLevelSettings() {
		here := at.Child("portLevelSettings").Index(i)
		number := r.port(here.Child("port", "number"), port.GetPort().GetNumber())
		if seen[number] {
			r.refuse(here.Child("port", "number"), "%d is there twice; join the two entries", number)
		}
		seen[number] = true
		out.Ports = append(out.Ports, mesh.PortPolicy{Port: number, Policy: r.policyParts(here, port)})
	}
	return out
}

func (r reader) policyParts(at *field.Path, m policyParts) mesh.TrafficPolicy {
	return mesh.TrafficPolicy{
		LoadBalancer: r.loadBalancer(at.Child("loadBalancer"), m.GetLoadBalancer()),
		Pool:         r.pool(at.Child("connectionPool"), m.GetConnectionPool()),
		Outlier:      r.outlier(at.Child("outlierDetection"), m.GetOutlierDetection()),
		TLS:          r.clientTLS(at.Child("tls"), m.GetTls()),
	}
}

func (r reader) pool(at *field.Path, m *networkingv1alpha3.ConnectionPoolSettings) *mesh.ConnectionPool {
	if m == nil {
		return nil
	}
	tcp, tcpAt := m.GetTcp(), at.Child("tcp")
	http, httpAt := m.GetHttp(), at.Child("http")
	keepalive, keepaliveAt := tcp.GetTcpKeepalive(), tcpAt.Child("tcpKeepalive")
	if tcp == nil && http == nil {
		r.refuse(at, "is empty; set tcp or http, or remove it")
	}
	out := &mesh.ConnectionPool{
		MaxConnections:        r.notNegative(tcpAt.Child("maxConnections"), tcp.GetMaxConnections()),
		ConnectTimeout:        r.duration(tcpAt.Child("connectTimeout"), tcp.GetConnectTimeout()),
		TCPKeepaliveProbes:    keepalive.GetProbes(),
		TCPKeepaliveTime:      r.duration(keepaliveAt.Child("time"), keepalive.GetTime()),
		TCPKeepaliveInterval:  r.duration(keepaliveAt.Child("interval"), keepalive.GetInterval()),
		MaxConnectionDuration: r.duration(tcpAt.Child("maxConnectionDuration"), tcp.GetMaxConnectionDuration()),
		TCPIdleTimeout:        r.optionalTimeout(tcpAt.Child("idleTimeout"), tcp.GetIdleTimeout()),

		HTTP1MaxPending:          r.notNegative(httpAt.Child("http1MaxPendingRequests"), http.GetHttp1MaxPendingRequests()),
		HTTP2MaxRequests:         r.notNegative(httpAt.Child("http2MaxRequests"), http.GetHttp2MaxRequests()),
		MaxRequestsPerConnection: r.notNegative(httpAt.Child("maxRequestsPerConnection"), http.GetMaxRequestsPerConnection()),
		MaxRetries:               r.notNegative(httpAt.Child("maxRetries"), http.GetMaxRetries()),
		HTTPIdleTimeout:          r.optionalTimeout(httpAt.Child("idleTimeout"), http.GetIdleTimeout()),
		MaxConcurrentStreams:     r.notNegative(httpAt.Child("maxConcurrentStreams"), http.GetMaxConcurrentStreams()),
	}
	if upgrade := http.GetH2UpgradePolicy(); upgrade != networkingv1alpha3.ConnectionPoolSettings_HTTPSettings_DEFAULT {
		yes := upgrade == networkingv1alpha3.ConnectionPoolSettings_HTTPSettings_UPGRADE
		out.H2Upgrade = &yes
		if yes && http.GetUseClientProtocol() {
			r.refuse(httpAt.Child("useClientProtocol"), "contradicts h2UpgradePolicy UPGRADE; keep one of them")
		}
	}
	return out
}

func (r reader) outlier(at *field.Path, m *networkingv1alpha3.OutlierDetection) *mesh.OutlierDetection {
	if m == nil {
		return nil
	}
	out := &mesh.OutlierDetection{
		SplitLocalOrigin:   m.GetSplitExternalLocalOriginErrors(),
		Interval:           r.duration(at.Child("interval"), m.GetInterval()),
		BaseEjectionTime:   r.duration(at.Child("baseEjectionTime"), m.GetBaseEjectionTime()),
		MaxEjectionPercent: r.percent(at.Child("maxEjectionPercent"), m.GetMaxEjectionPercent()),
		MinHealthPercent:   r.percent(at.Child("minHealthPercent"), m.GetMinHealthPercent()),
	}
	if v := m.GetConsecutive_5XxErrors(); v != nil {
		out.Consecutive5xx = &v.Value
	}
	if v := m.GetConsecutiveGatewayErrors(); v != nil {
		out.ConsecutiveGatewayErrors = &v.Value
	}
	if v := m.GetConsecutiveLocalOriginFailures(); v != nil {
		out.ConsecutiveLocalOrigin = &v.Value
		if !out.SplitLocalOrigin {
			r.refuse(at.Child("consecutiveLocalOriginFailures"), "needs splitExternalLocalOriginErrors: true")
		}
	}
	return out
}

// clientTLS reads how the client secures its connections. MUTUAL is not served:
// it becomes SIMPLE, so that the server refuses us rather than that we speak in
// the clear.
func (r reader) clientTLS(at *field.Path, m *networkingv1alpha3.ClientTLSSettings) *mesh.ClientTLS {
	if m == nil {
		return nil
	}
	out := &mesh.ClientTLS{SNI: m.GetSni(), SubjectAltNames: m.GetSubjectAltNames()}
	switch m.GetMode() {
	case networkingv1alpha3.ClientTLSSettings_DISABLE:
		out.Mode = mesh.TLSDisable
	case networkingv1alpha3.ClientTLSSettings_ISTIO_MUTUAL:
		out.Mode = mesh.TLSMutual
	case networkingv1alpha3.ClientTLSSettings_MUTUAL:
		out.Mode = mesh.TLSSimple
		if m.GetCredentialName() == "" && (m.GetClientCertificate() == "" || m.GetPrivateKey() == "") {
			r.refuse(at, "mode MUTUAL needs clientCertificate and privateKey, or credentialName")
		}
		r.unserved(at.Child("mode"), "MUTUAL is not served by this version: TLS is used without a client certificate")
	default:
		out.Mode = mesh.TLSSimple
	}
	if out.Mode == mesh.TLSMutual && (m.GetClientCertificate() != "" || m.GetPrivateKey() != "" || m.GetCaCertificates() != "") {
		r.refuse(at.Child("mode"), "ISTIO_MUTUAL brings the mesh's own certificates; remove clientCertificate, privateKey and caCertificates")
	}
	if m.GetCredentialName() != "" && (m.GetClientCertificate() != "" || m.GetPrivateKey() != "" || m.GetCaCertificates() != "") {
		r.refuse(at.Child("credentialName"), "stands beside certificate files; keep one of them")
	}
	r.noControl(at.Child("sni"), out.SNI)
	return out
}
