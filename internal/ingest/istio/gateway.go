package istio

import (
	"slices"
	"strings"

	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (r reader) gateway(at *field.Path, m *networkingv1alpha3.Gateway) *mesh.Gateway {
	out := &mesh.Gateway{Meta: r.meta, Selector: m.GetSelector()}
	r.labels(at.Child("selector"), out.Selector)
	if len(out.Selector) == 0 {
		r.suspect(at.Child("selector"), "is empty, so no gateway serves this; write the labels of the gateway's pods")
	}
	if len(m.GetServers()) == 0 {
		r.refuse(at.Child("servers"), "at least one server is required")
	}
	names := map[string]bool{}
	for i, server := range m.GetServers() {
		here := at.Child("servers").Index(i)
		if name := server.GetPort().GetName(); name != "" {
			if names[name] {
				r.refuse(here.Child("port", "name"), "%q is there twice; each server's port needs a name of its own", name)
			}
			names[name] = true
		}
		if value, ok := r.server(here, server); ok {
			value.Index = i
			out.Servers = append(out.Servers, value)
		}
	}
	return out
}

// server reads one server; ok is false if it cannot be served at all.
func (r reader) server(at *field.Path, m *networkingv1alpha3.Server) (out mesh.Server, ok bool) {
	port, portAt := m.GetPort(), at.Child("port")
	out = mesh.Server{
		Name:          m.GetName(),
		Port:          r.port(portAt.Child("number"), port.GetNumber()),
		PortName:      port.GetName(),
		Hosts:         r.serverHosts(at.Child("hosts"), m.GetHosts()),
		HTTPSRedirect: m.GetTls().GetHttpsRedirect(),
	}
	if port.GetName() == "" {
		r.refuse(portAt.Child("name"), "is required; name it after its protocol, as https")
	}
	switch protocol := strings.ToUpper(port.GetProtocol()); protocol {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB":
		out.Protocol = mesh.ServerHTTP
		if onlyTLS(m.GetTls()) {
			r.refuse(at.Child("tls"), "needs protocol HTTPS or TLS, the server speaks %s", protocol)
		}
		return out, true
	case "HTTPS":
		out.Protocol = mesh.ServerHTTPS
	case "TLS":
		out.Protocol = mesh.ServerProtocolTLS
		r.unserved(portAt.Child("protocol"), "servers of TLS need tls or tcp routes, which this version does not serve: the port stays closed")
	case "TCP", "MONGO", "MYSQL", "REDIS":
		out.Protocol = mesh.ServerTCP
		r.unserved(portAt.Child("protocol"), "servers of %s need tcp routes, which this version does not serve: the port stays closed", protocol)
		return out, false
	default:
		r.refuse(portAt.Child("protocol"), "%q is not one of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP and MONGO", port.GetProtocol())
		return out, false
	}
	if m.GetTls() == nil {
		r.refuse(at.Child("tls"), "is required for protocol %s: set mode, and credentialName to a TLS Secret of the gateway's namespace", port.GetProtocol())
		return out, false
	}
	if out.HTTPSRedirect {
		r.suspect(at.Child("tls", "httpsRedirect"), "has no effect on a server that speaks TLS; put it on the server of port 80")
		out.HTTPSRedirect = false
	}
	out.TLS, ok = r.serverTLS(at.Child("tls"), m.GetTls())
	return out, ok && out.Protocol == mesh.ServerHTTPS
}

// onlyTLS reports whether more than the redirect is asked for.
func onlyTLS(m *networkingv1alpha3.ServerTLSSettings) bool {
	return m.GetMode() != networkingv1alpha3.ServerTLSSettings_PASSTHROUGH || m.GetCredentialName() != "" || m.GetServerCertificate() != ""
}

// serverHosts checks hosts and returns them as namespace/host.
func (r reader) serverHosts(at *field.Path, hosts []string) []string {
	if len(hosts) == 0 {
		r.refuse(at, `at least one host is required; "*" is every host`)
	}
	var out []string
	for i, text := range hosts {
		namespace, host, qualified := strings.Cut(text, "/")
		if !qualified {
			namespace, host = "*", text
		}
		if namespace != "*" && namespace != "." && len(validation.IsDNS1123Label(namespace)) > 0 {
			r.refuse(at.Index(i), `%q is not a namespace, nor "*" or "."`, namespace)
		}
		host = strings.ToLower(host)
		switch {
		case host == "*":
		case strings.HasPrefix(host, "*"):
			if len(validation.IsWildcardDNS1123Subdomain(host)) > 0 {
				r.refuse(at.Index(i), `%q is not a wildcard; only "*" and "*.example.com" are`, text)
			}
		case len(validation.IsDNS1123Subdomain(host)) > 0:
			r.refuse(at.Index(i), "%q is not a DNS name", text)
		}
		if full := namespace + "/" + host; !slices.Contains(out, full) {
			out = append(out, full)
		}
	}
	return out
}

// serverTLS reads how TLS is ended; ok is false for modes and sources of
// certificates that are not served, without which the server cannot answer.
func (r reader) serverTLS(at *field.Path, m *networkingv1alpha3.ServerTLSSettings) (out *mesh.ServerTLS, ok bool) {
	out = &mesh.ServerTLS{
		Credential: m.GetCredentialName(),
		MinVersion: tlsVersion(m.GetMinProtocolVersion()),
		MaxVersion: tlsVersion(m.GetMaxProtocolVersion()),
	}
	if out.MaxVersion != "" && m.GetMinProtocolVersion() > m.GetMaxProtocolVersion() {
		r.refuse(at.Child("minProtocolVersion"), "is above maxProtocolVersion")
	}
	// The API documents names of Secrets that way.
	out.Credential = strings.TrimPrefix(out.Credential, "kubernetes://")
	if name := out.Credential[strings.LastIndex(out.Credential, "/")+1:]; name != "" && len(validation.IsDNS1123Subdomain(name)) > 0 {
		r.refuse(at.Child("credentialName"), "%q is not a Secret's name", m.GetCredentialName())
	}
	files := m.GetServerCertificate() != "" || m.GetPrivateKey() != ""
	switch m.GetMode() {
	case networkingv1alpha3.ServerTLSSettings_SIMPLE:
		out.Mode = mesh.ServerSimple
	case networkingv1alpha3.ServerTLSSettings_MUTUAL:
		out.Mode = mesh.ServerMutual
		// Without these, clients would be let in that the user keeps out.
		if len(m.GetSubjectAltNames())+len(m.GetVerifyCertificateHash())+len(m.GetVerifyCertificateSpki()) > 0 {
			return nil, false
		}
	case networkingv1alpha3.ServerTLSSettings_PASSTHROUGH:
		// Also what is meant where no mode is written (Istio's default).
		r.unserved(at.Child("mode"), "PASSTHROUGH is not served by this version: the server stays closed; write SIMPLE to end TLS at the gateway")
		return nil, false
	default:
		r.unserved(at.Child("mode"), "%s is not served by this version: the server stays closed", m.GetMode())
		return nil, false
	}
	if out.Credential == "" && len(m.GetCredentialNames())+len(m.GetTlsCertificates()) == 0 {
		switch {
		case !files:
			r.refuse(at.Child("credentialName"), "is required for mode %s: name a TLS Secret of the gateway's namespace", m.GetMode())
		case m.GetServerCertificate() == "" || m.GetPrivateKey() == "":
			r.refuse(at, "needs both serverCertificate and privateKey, or credentialName")
		}
	}
	return out, out.Credential != ""
}

func tlsVersion(v networkingv1alpha3.ServerTLSSettings_TLSProtocol) string {
	if v == networkingv1alpha3.ServerTLSSettings_TLS_AUTO {
		return ""
	}
	return "TLSv" + strings.TrimPrefix(v.String(), "TLSV")
}
