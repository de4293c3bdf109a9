package svid_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	securityv1alpha1 "istio.io/api/security/v1alpha1"

	"github.com/meshwright/meshwright/internal/agent/svid"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/spiffe"
)

var back = spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "back"}

// authority answers requests with what sign makes of the request's key.
type authority struct {
	securityv1alpha1.UnimplementedIstioCertificateServiceServer
	root *ca.Authority
	sign func(a *authority, key crypto.PublicKey) []string
	// authorization is the last one seen.
	authorization []string
}

func newRoot(t *testing.T) *ca.Authority {
	t.Helper()
	root, err := ca.NewRoot("td", time.Now())
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

// leaf is a PEM certificate.
func leaf(t *testing.T, root *ca.Authority, id spiffe.ID, key crypto.PublicKey) string {
	t.Helper()
	cert, err := root.Sign(ca.Request{PublicKey: key, ID: id, Life: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(ca.CertificatePEM(cert))
}

func (a *authority) CreateCertificate(ctx context.Context, in *securityv1alpha1.IstioCertificateRequest) (*securityv1alpha1.IstioCertificateResponse, error) {
	a.authorization = metadata.ValueFromIncomingContext(ctx, "authorization")
	csr, err := ca.ParseCSR([]byte(in.GetCsr()))
	if err != nil {
		return nil, err
	}
	return &securityv1alpha1.IstioCertificateResponse{CertChain: a.sign(a, csr.PublicKey)}, nil
}

func (a *authority) bundle() string { return string(ca.CertificatePEM(a.root.Certificate())) }

// serve returns the address, by name.
func (a *authority) serve(t *testing.T) string {
	t.Helper()
	key := newKey(t)
	cert, err := a.root.Sign(ca.Request{PublicKey: key.Public(), ID: back, Life: time.Hour, DNSNames: []string{"localhost"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key})))
	securityv1alpha1.RegisterIstioCertificateServiceServer(server, a)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	_, port, err := net.SplitHostPort(lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

func TestFetch(t *testing.T) {
	t.Parallel()
	other := newRoot(t)
	tests := map[string]struct {
		sign    func(a *authority, key crypto.PublicKey) []string
		anchors string // instead of the authority's own
		err     string // a part of the error; empty means none
	}{
		"a certificate with its roots": {
			sign: func(a *authority, key crypto.PublicKey) []string {
				return []string{leaf(t, a.root, back, key), a.bundle()}
			},
		},
		"a certificate of a root that is one of two": {
			sign: func(a *authority, key crypto.PublicKey) []string {
				return []string{leaf(t, other, back, key), a.bundle() + string(ca.CertificatePEM(other.Certificate()))}
			},
		},
		"a certificate without roots": {
			sign: func(a *authority, key crypto.PublicKey) []string { return []string{leaf(t, a.root, back, key)} },
			err:  "1 elements in the chain",
		},
		"a certificate for another key": {
			sign: func(a *authority, _ crypto.PublicKey) []string {
				return []string{leaf(t, a.root, back, newKey(t).Public()), a.bundle()}
			},
			err: "private key does not match",
		},
		"a certificate for somebody else": {
			sign: func(a *authority, key crypto.PublicKey) []string {
				return []string{leaf(t, a.root, spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "front"}, key), a.bundle()}
			},
			err: "want " + back.String(),
		},
		"a certificate that the roots do not vouch for": {
			sign: func(a *authority, key crypto.PublicKey) []string {
				return []string{leaf(t, other, back, key), a.bundle()}
			},
			err: "unknown authority",
		},
		"a discovery that is not trusted": {
			sign: func(a *authority, key crypto.PublicKey) []string {
				return []string{leaf(t, a.root, back, key), a.bundle()}
			},
			anchors: string(ca.CertificatePEM(other.Certificate())),
			err:     "unknown authority",
		},
		"anchors that are none": {
			sign:    func(*authority, crypto.PublicKey) []string { return nil },
			anchors: "x", err: "no PEM certificate",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &authority{root: newRoot(t), sign: tc.sign}
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			client := &svid.Client{Address: a.serve(t), ID: back, TokenFile: file, Anchors: func() ([]byte, error) {
				if tc.anchors != "" {
					return []byte(tc.anchors), nil
				}
				return []byte(a.bundle()), nil
			}}
			got, err := client.Fetch(t.Context())
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.X509KeyPair(got.Chain, got.Key)
			if err != nil {
				t.Fatal(err)
			}
			if !pair.Leaf.NotAfter.Equal(got.NotAfter) || !pair.Leaf.NotBefore.Equal(got.NotBefore) {
				t.Errorf("says that it is valid %s to %s", got.NotBefore, got.NotAfter)
			}
			if len(a.authorization) != 1 || a.authorization[0] != "Bearer secret" {
				t.Errorf("sent the token as %q", a.authorization)
			}
		})
	}
}
