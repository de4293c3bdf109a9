package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// Names of a credential and of the authorities in it, as Istio's gateways ask
// for them.
const (
	secretPrefix    = "kubernetes://"
	authoritySuffix = "-cacert"
)

func secretNames(_ mesh.Lookup, k mesh.Key) []string {
	return []string{secretPrefix + k.Name, secretPrefix + k.Name + authoritySuffix}
}

// secret implements resource.Build. Only a gateway gets a credential, and only
// of its own namespace.
func secret(r mesh.Reader, name string) resource.Built {
	credential, ok := strings.CutPrefix(name, secretPrefix)
	if !ok || !view.IsRouter(r) {
		return resource.Built{}
	}
	if c := view.CredentialFor(r, credential); c != nil && len(c.Key) > 0 {
		return resource.Built{Msg: &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(c.Cert), PrivateKey: inline(c.Key),
		}}}}
	}
	credential, ok = strings.CutSuffix(credential, authoritySuffix)
	if !ok {
		return resource.Built{}
	}
	if c := view.CredentialFor(r, credential); c != nil && len(c.CA) > 0 {
		return resource.Built{Msg: &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline(c.CA)},
		}}}
	}
	return resource.Built{}
}

func inline(b []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
}
