package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/spiffe"
)

var (
	noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	back = spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "back"}
)

func newRoot(t *testing.T, at time.Time) *ca.Authority {
	t.Helper()
	root, err := ca.NewRoot("td", at)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRootSignsOnly(t *testing.T) {
	t.Parallel()
	cert := newRoot(t, noon).Certificate()
	if !cert.IsCA || cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("IsCA %v, key usage %b", cert.IsCA, cert.KeyUsage)
	}
	if got, want := cert.NotAfter, noon.Add(ca.RootLife); !got.Equal(want) {
		t.Errorf("valid until %s, want %s", got, want)
	}
	if cert.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P256() {
		t.Error("key is not P-256")
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	root := newRoot(t, noon)
	end := root.Certificate().NotAfter
	tests := map[string]struct {
		at                  time.Time
		life                time.Duration
		notBefore, notAfter time.Time
		expired             bool
	}{
		"a certificate lives as long as asked and begins a little earlier": {
			at: noon.Add(time.Hour), life: time.Hour, notBefore: noon.Add(time.Hour - ca.Backdate), notAfter: noon.Add(2 * time.Hour),
		},
		"it does not begin before its signer": {
			at: noon, life: time.Hour, notBefore: noon.Add(-ca.Backdate), notAfter: noon.Add(time.Hour),
		},
		"it does not outlive its signer": {
			at: end.Add(-time.Minute), life: time.Hour, notBefore: end.Add(-time.Minute - ca.Backdate), notAfter: end,
		},
		"an expired signer signs nothing":    {at: end, life: time.Hour, expired: true},
		"a signer of tomorrow signs nothing": {at: noon.Add(-time.Hour), life: time.Hour, expired: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := root.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: back, Life: tc.life}, tc.at)
			if tc.expired {
				if !errors.Is(err, ca.ErrExpired) {
					t.Fatalf("error is %v, want ErrExpired", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !got.NotBefore.Equal(tc.notBefore) || !got.NotAfter.Equal(tc.notAfter) {
				t.Errorf("valid %s to %s, want %s to %s", got.NotBefore, got.NotAfter, tc.notBefore, tc.notAfter)
			}
		})
	}
}

func TestSignedCertificateIsAnSVID(t *testing.T) {
	t.Parallel()
	root := newRoot(t, noon)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key   crypto.PublicKey
		usage x509.KeyUsage
	}{
		"for an ECDSA key": {key: newKey(t).Public(), usage: x509.KeyUsageDigitalSignature},
		"for an RSA key":   {key: rsaKey.Public(), usage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, err := root.Sign(ca.Request{PublicKey: tc.key, ID: back, Life: time.Hour, DNSNames: []string{"d.ns.svc"}}, noon)
			if err != nil {
				t.Fatal(err)
			}
			if cert.KeyUsage != tc.usage || cert.IsCA {
				t.Errorf("key usage %b, IsCA %v", cert.KeyUsage, cert.IsCA)
			}
			if id, err := spiffe.FromCertificate(cert); err != nil || id != back {
				t.Errorf("is for %v (%v), want %v", id, err, back)
			}
			if diff := cmp.Diff([]string{"d.ns.svc"}, cert.DNSNames); diff != "" {
				t.Error(diff)
			}
			pool := x509.NewCertPool()
			pool.AddCert(root.Certificate())
			for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
				if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
					t.Errorf("usage %v: %v", use, err)
				}
			}
		})
	}
}

func TestSignRefusesAnIncompleteID(t *testing.T) {
	t.Parallel()
	root := newRoot(t, noon)
	if _, err := root.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: spiffe.ID{TrustDomain: "td"}, Life: time.Hour}, noon); err == nil {
		t.Error("signed for nobody")
	}
	if _, err := root.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: back}, noon); err == nil {
		t.Error("signed for no time")
	}
}

func TestParseAuthority(t *testing.T) {
	t.Parallel()
	root := newRoot(t, noon)
	cert, key, err := ca.EncodeAuthority(root)
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := ca.EncodeAuthority(newRoot(t, noon))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: back, Life: time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cert, key []byte
		err       string
	}{
		"what was written is read":          {cert: cert, key: key},
		"a key of another certificate":      {cert: cert, key: otherKey, err: "not the certificate's"},
		"a certificate that may not sign":   {cert: ca.CertificatePEM(leaf), key: key, err: "may not sign"},
		"no certificate":                    {cert: []byte("x"), key: key, err: "no PEM certificate"},
		"no key":                            {cert: cert, err: "no PEM block"},
		"a key where a certificate belongs": {cert: key, key: key, err: "unexpected PEM block"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ca.ParseAuthority(tc.cert, tc.key)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !got.Certificate().Equal(root.Certificate()) {
				t.Error("another certificate came back")
			}
			if _, err := got.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: back, Life: time.Hour}, noon); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseCSR(t *testing.T) {
	t.Parallel()
	request := func(key crypto.Signer) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := request(newKey(t))
	block, _ := pem.Decode(good)
	block.Bytes[len(block.Bytes)-1] ^= 1
	tests := map[string]struct {
		in  []byte
		err string
	}{
		"an ECDSA key":                {in: good},
		"a small RSA key":             {in: request(small), err: "1024 bits"},
		"a key that Envoy cannot use": {in: request(edwards), err: "want ECDSA or RSA"},
		"a broken signature":          {in: pem.EncodeToMemory(block), err: "verify request"},
		"no request":                  {in: []byte("hello"), err: "no PEM block"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ca.ParseCSR(tc.in)
			if (tc.err == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
		})
	}
}

// TestTheRootOfAnotherMeshSigns takes a root as Istio makes it for itself: RSA,
// with an organisation and no name. docs/guides/from-istio.md relies on it.
func TestTheRootOfAnotherMeshSigns(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"td"}}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(ca.RootLife),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := ca.ParseAuthority(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.Sign(ca.Request{PublicKey: newKey(t).Public(), ID: back, Life: time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate())
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("who trusts that root does not trust what it signed: %v", err)
	}
}
