package authn

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLS is the configuration of the secured port. Each handshake asks for
// the serving certificate and the roots of that moment, so both rotate without
// a restart. A client certificate is not demanded (a pod without one buys it
// here by token), but one that is shown must verify; methods then ask Peers.
func ServerTLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), roots func() (*x509.CertPool, error)) *tls.Config {
	base := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: certificate,
		NextProtos:     []string{"h2"},
		ClientAuth:     tls.VerifyClientCertIfGiven,
		// A resumed session would skip the verification against new roots.
		SessionTicketsDisabled: true,
	}
	config := base.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := roots()
		if err != nil {
			return nil, err
		}
		c := base.Clone()
		c.ClientCAs = pool
		return c, nil
	}
	return config
}
