package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	securityv1alpha1 "istio.io/api/security/v1alpha1"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/server"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/spiffe"
)

const serverName = "meshwright-discovery.mesh-system.svc"

var back = spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "back"}

// mesh is a CA server on loopback behind the real TLS of the secured port.
type mesh struct {
	addr   string
	holder *slot.Holder
	now    time.Time
}

func newSet(t *testing.T, trustDomain string, at time.Time) *slot.Set {
	t.Helper()
	root, err := ca.NewRoot(trustDomain, at)
	if err != nil {
		t.Fatal(err)
	}
	return &slot.Set{Current: root}
}

func serve(t *testing.T) *mesh {
	t.Helper()
	m := &mesh{holder: &slot.Holder{}, now: time.Now()}
	m.holder.Set(newSet(t, "td", m.now))
	clock := func() time.Time { return m.now }
	serving := rotate.NewServing(m.holder, ca.Request{
		ID: spiffe.ID{TrustDomain: "td", Namespace: "mesh-system", ServiceAccount: "discovery"}, DNSNames: []string{serverName}, Life: time.Hour,
	}, clock)
	pool := func() (*x509.CertPool, error) {
		set, err := m.holder.Get()
		if err != nil {
			return nil, err
		}
		return set.Pool(), nil
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(authn.ServerTLS(serving.GetCertificate, pool))))
	server.Register(s, server.Config{
		Callers: &authn.Peers{TrustDomain: "td"}, Authorities: m.holder, Life: 24 * time.Hour, Now: clock, Log: testr.New(t),
	})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(lis) }()
	t.Cleanup(s.Stop)
	m.addr = lis.Addr().String()
	return m
}

// svid is a certificate that a set signs, nil set for none.
func svid(t *testing.T, set *slot.Set, id spiffe.ID) []tls.Certificate {
	t.Helper()
	if set == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := set.Current.Sign(ca.Request{PublicKey: key.Public(), ID: id, Life: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}
}

func (m *mesh) create(t *testing.T, certs []tls.Certificate, in *securityv1alpha1.IstioCertificateRequest) (*securityv1alpha1.IstioCertificateResponse, error) {
	t.Helper()
	set, err := m.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: set.Pool(), ServerName: serverName}
	if len(certs) > 0 {
		// Given this way it is shown even if the server would not want it.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
	}
	conn, err := grpc.NewClient(m.addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return securityv1alpha1.NewIstioCertificateServiceClient(conn).CreateCertificate(ctx, in)
}

func csr(t *testing.T, template *x509.CertificateRequest) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func TestCreateCertificate(t *testing.T) {
	t.Parallel()
	m := serve(t)
	set, err := m.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	own := svid(t, set, back)
	impersonation, err := structpb.NewStruct(map[string]any{"ImpersonatedIdentity": "spiffe://td/ns/shop/sa/front"})
	if err != nil {
		t.Fatal(err)
	}
	front := spiffe.ID{TrustDomain: "td", Namespace: "shop", ServiceAccount: "front"}
	tests := map[string]struct {
		certs []tls.Certificate
		in    *securityv1alpha1.IstioCertificateRequest
		code  codes.Code
		life  time.Duration // of the certificate from now on
	}{
		"a workload renews its SVID": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{URIs: []*url.URL{back.URI()}})}, life: 24 * time.Hour,
		},
		"names may be left out": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{})}, life: 24 * time.Hour,
		},
		"less life may be asked for": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{}), ValidityDuration: 3600}, life: time.Hour,
		},
		"more life is cut": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{}), ValidityDuration: 1 << 60}, life: 24 * time.Hour,
		},
		"nobody in particular gets nothing": {
			in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{})}, code: codes.Unauthenticated,
		},
		"another trust domain of the same root gets nothing": {
			certs: svid(t, set, spiffe.ID{TrustDomain: "other", Namespace: "shop", ServiceAccount: "back"}),
			in:    &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{})}, code: codes.Unauthenticated,
		},
		"a certificate of another root does not connect": {
			certs: svid(t, newSet(t, "td", m.now), back),
			in:    &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{})}, code: codes.Unavailable,
		},
		"somebody else's ID is refused": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{URIs: []*url.URL{front.URI()}})}, code: codes.PermissionDenied,
		},
		"a DNS name is refused": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{DNSNames: []string{serverName}})}, code: codes.PermissionDenied,
		},
		"speaking for another is refused": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{}), Metadata: impersonation}, code: codes.PermissionDenied,
		},
		"no request is an argument error": {
			certs: own, in: &securityv1alpha1.IstioCertificateRequest{Csr: "hello"}, code: codes.InvalidArgument,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := m.create(t, tc.certs, tc.in)
			if status.Code(err) != tc.code {
				t.Fatalf("got %v, want %s", err, tc.code)
			}
			if err == nil {
				checkAnswer(t, out, set, m.now.Add(tc.life))
			}
		})
	}
}

// checkAnswer asks that the answer is an SVID of back and then the bundle.
func checkAnswer(t *testing.T, out *securityv1alpha1.IstioCertificateResponse, set *slot.Set, end time.Time) {
	t.Helper()
	if n := len(out.GetCertChain()); n != 2 {
		t.Fatalf("%d elements in the chain, want leaf and roots", n)
	}
	leaf, err := ca.Certificates([]byte(out.GetCertChain()[0]))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := spiffe.FromCertificate(leaf[0]); err != nil || id != back {
		t.Errorf("certificate of %v (%v), want %v", id, err, back)
	}
	if len(leaf[0].DNSNames) != 0 {
		t.Errorf("has DNS names %v", leaf[0].DNSNames)
	}
	if d := end.Sub(leaf[0].NotAfter); d < 0 || d >= time.Second {
		t.Errorf("valid until %s, want %s", leaf[0].NotAfter, end)
	}
	if got := out.GetCertChain()[1]; got != string(set.Bundle()) {
		t.Error("the last element is not the bundle")
	}
}

func TestCreateCertificateSignsWithTheAuthorityOfNow(t *testing.T) {
	t.Parallel()
	m := serve(t)
	first, err := m.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	own := svid(t, first, back)
	next := newSet(t, "td", m.now).Current
	m.holder.Set(&slot.Set{Current: next, Next: first.Current})
	out, err := m.create(t, own, &securityv1alpha1.IstioCertificateRequest{Csr: csr(t, &x509.CertificateRequest{})})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Certificates([]byte(out.GetCertChain()[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf[0].CheckSignatureFrom(next.Certificate()); err != nil {
		t.Error(err)
	}
	roots, err := ca.Certificates([]byte(out.GetCertChain()[1]))
	if err != nil || len(roots) != 2 {
		t.Errorf("%d roots (%v), want both", len(roots), err)
	}
}
