package rotate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
)

// Authorities is who signs now.
type Authorities interface {
	Get() (*slot.Set, error)
}

// Serving is the certificate that this process shows to its clients. It is
// issued by the process's own authority, anew at half of its life and when
// another authority signs; the private key never leaves memory. It may be used
// concurrently.
type Serving struct {
	authorities Authorities
	request     ca.Request
	now         func() time.Time

	mu     sync.Mutex
	cert   *tls.Certificate
	signer *x509.Certificate
}

// NewServing serves what request says; its PublicKey is ignored. now is the
// clock.
func NewServing(authorities Authorities, request ca.Request, now func() time.Time) *Serving {
	return &Serving{authorities: authorities, request: request, now: now}
}

// GetCertificate has the form that tls.Config.GetCertificate wants. It issues
// when needed, which costs about a signature, so nothing has to run beside it.
// If issuing is not possible, it goes on with the old certificate while that
// is valid.
func (s *Serving) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	set, err := s.authorities.Get()
	if err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	if s.cert != nil && s.signer.Equal(set.Current.Certificate()) && now.Before(Due(s.cert.Leaf)) {
		return s.cert, nil
	}
	cert, err := s.issue(set.Current, now)
	if err != nil {
		if s.cert != nil && now.Before(s.cert.Leaf.NotAfter) {
			return s.cert, nil
		}
		return nil, err
	}
	s.cert, s.signer = cert, set.Current.Certificate()
	return cert, nil
}

func (s *Serving) issue(authority *ca.Authority, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate serving key: %w", err)
	}
	request := s.request
	request.PublicKey = key.Public()
	leaf, err := authority.Sign(request, now)
	if err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// Due is when a certificate should be renewed: at half of its life.
func Due(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 2)
}

// ServiceNames are the DNS names by which pods dial Services of a namespace:
// NAME.NAMESPACE.svc, and the same below the cluster's domain.
func ServiceNames(services []string, namespace, clusterDomain string) []string {
	var out []string
	for _, service := range services {
		name := service + "." + namespace + ".svc"
		out = append(out, name, name+"."+clusterDomain)
	}
	return out
}
