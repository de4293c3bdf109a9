package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	authorityLifetime = 365 * 24 * time.Hour
	// authorityRenewal before its end an authority is replaced.
	authorityRenewal = 60 * 24 * time.Hour
	// servingLifetime is shorter than authorityRenewal, so that no serving
	// certificate outlives its signer.
	servingLifetime = 30 * 24 * time.Hour
	servingRenewal  = 10 * 24 * time.Hour
	// clockSkew is how far apart clocks in the cluster may be.
	clockSkew = time.Hour
)

// authority signs the serving certificates of the injectors. The fields are
// what the Secret holds, all PEM.
type authority struct {
	cert, key []byte
	// previous is the certificate of the authority before this one: processes
	// that have not taken up this one yet still serve what it signed.
	previous []byte
}

// newAuthority makes one that is valid from now on.
func newAuthority(now time.Time, previous []byte) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	template, err := certificate(now, authorityLifetime)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: "meshwright-injector"}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return &authority{
		cert:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		previous: previous,
	}, nil
}

func certificate(now time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(lifetime)}, nil
}

// pair is the authority as a key pair, its certificate parsed. An error says
// what is wrong, never what the key is.
func (a *authority) pair() (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(a.cert, a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read authority: %w", err)
	}
	if !pair.Leaf.IsCA {
		return tls.Certificate{}, errors.New("read authority: its certificate is not one of an authority")
	}
	return pair, nil
}

// sign makes a serving certificate for the names.
func (a *authority) sign(now time.Time, names []string) (*tls.Certificate, error) {
	signer, err := a.pair()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	template, err := certificate(now, servingLifetime)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: names[0]}
	template.DNSNames = names
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Leaf, key.Public(), signer.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("sign serving certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read serving certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// bundle is what the API server is to trust: both authorities.
func (a *authority) bundle() []byte {
	return append(append([]byte{}, a.cert...), a.previous...)
}
