package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/meshwright/meshwright/internal/spiffe"
)

const (
	// RootLife is how long a new root is valid.
	RootLife = 10 * 365 * 24 * time.Hour
	// Backdate is how long before its making a certificate begins to be
	// valid, so that a peer whose clock is behind accepts it.
	Backdate = 2 * time.Minute
)

// ErrExpired says that an authority is outside of its own validity and signs
// nothing.
var ErrExpired = errors.New("signing certificate is not valid now")

// Authority is a certificate that signs, with its key. It is immutable and may
// be used concurrently.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Request is one certificate to be signed.
type Request struct {
	// PublicKey is ECDSA or RSA, as CSR checks.
	PublicKey crypto.PublicKey
	// ID becomes the one URI SAN.
	ID spiffe.ID
	// DNSNames are for servers that are dialled by name; workloads have none.
	DNSNames []string
	// Life runs from now. It is cut at the end of the signer's own.
	Life time.Duration
}

// NewRoot makes a self-signed authority with a new P-256 key for a trust
// domain, valid from Backdate before now until RootLife after it.
func NewRoot(trustDomain string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate root key: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial in the name keeps two roots of one mesh apart in chain building.
		Subject:               pkix.Name{Organization: []string{trustDomain}, CommonName: fmt.Sprintf("Meshwright root %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-Backdate),
		NotAfter:              now.Add(RootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		// X509-SVID standard, section 3: a signing certificate names its trust domain.
		URIs: []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign root: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse new root: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// Certificate is the authority's own certificate; treat it as read-only.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Sign makes the certificate of a workload. It carries digitalSignature (Envoy
// 1.39 and later refuse peers without), both TLS usages, and never outlives the
// signer. The error is ErrExpired if the signer is not valid now.
func (a *Authority) Sign(r Request, now time.Time) (*x509.Certificate, error) {
	if now.Before(a.cert.NotBefore) || !now.Before(a.cert.NotAfter) {
		return nil, ErrExpired
	}
	if err := r.ID.Validate(); err != nil {
		return nil, fmt.Errorf("check identity: %w", err)
	}
	if r.Life <= 0 {
		return nil, fmt.Errorf("check life: %s is not positive", r.Life)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             latest(now.Add(-Backdate), a.cert.NotBefore),
		NotAfter:              earliest(now.Add(r.Life), a.cert.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{r.ID.URI()},
		DNSNames:              r.DNSNames,
	}
	if _, ok := r.PublicKey.(*rsa.PublicKey); ok {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, r.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", r.ID, err)
	}
	return x509.ParseCertificate(der)
}

func serialNumber() (*big.Int, error) {
	// The top bit is set so that the number always has its full length.
	limit := new(big.Int).Lsh(big.NewInt(1), 126)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return n.Add(n, limit), nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
