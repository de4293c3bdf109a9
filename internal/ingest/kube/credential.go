package kube

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/internal/mesh"
)

// ReasonBadCredential is the reason of a Problem of a TLS Secret.
const ReasonBadCredential = "BadCredential"

// Credential is the mesh value of a Secret, nil if it is not for TLS. A Secret
// whose parts do not fit is refused here, because Envoy would reject it and
// with it the whole push. Istio's key names: tls.crt, tls.key and ca.crt, or
// cert, key and cacert; a CA alone is for mutual TLS. No Problem quotes a byte
// of the Secret.
func Credential(s *corev1.Secret) (*mesh.Credential, []mesh.Problem) {
	switch s.Type {
	case corev1.SecretTypeTLS, corev1.SecretTypeOpaque, "":
	default:
		return nil, nil
	}
	field := func(a, b string) (string, []byte) {
		if v, ok := s.Data[a]; ok {
			return a, v
		}
		return b, s.Data[b]
	}
	certName, cert := field(corev1.TLSCertKey, "cert")
	_, key := field(corev1.TLSPrivateKeyKey, "key")
	caName, ca := field("ca.crt", "cacert")
	out := &mesh.Credential{Namespace: s.Namespace, Name: s.Name, Cert: cert, Key: key, CA: ca}
	refuse := func(name string, problem any) (*mesh.Credential, []mesh.Problem) {
		return nil, []mesh.Problem{{
			Object:  mesh.Key{Kind: mesh.KindCredential, Namespace: s.Namespace, Name: s.Name},
			Reason:  ReasonBadCredential,
			Field:   "data[" + name + "]",
			Message: fmt.Sprintf("%v; put a PEM certificate chain and its own private key there", problem),
			Refused: true,
		}}
	}
	if len(ca) > 0 && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return refuse(caName, "holds no PEM certificate")
	}
	switch {
	case len(cert) > 0 && len(key) > 0:
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			return refuse(certName, err)
		}
		return out, nil
	case len(cert) == 0 && len(key) == 0 && len(ca) > 0:
		return out, nil
	case s.Type == corev1.SecretTypeTLS:
		return refuse(certName, "the certificate or the private key is missing")
	default:
		return nil, nil
	}
}
