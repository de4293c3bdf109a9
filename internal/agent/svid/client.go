package svid

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	securityv1alpha1 "istio.io/api/security/v1alpha1"

	"github.com/meshwright/meshwright/internal/spiffe"
)

// callTimeout bounds one attempt, the connection included.
const callTimeout = 10 * time.Second

// Identity is an SVID in PEM. Key is secret.
type Identity struct {
	Chain, Key []byte
	// Roots are those that the authority told us to trust.
	Roots               []byte
	NotBefore, NotAfter time.Time
}

// Client buys certificates from discovery. Its fields are set once.
type Client struct {
	// Address is discovery's host:port; its certificate must be for the host.
	Address string
	// ID is what the certificate must say.
	ID spiffe.ID
	// TokenFile is read for each request, because kubelet renews it.
	TokenFile string
	// Anchors are the PEM roots by which discovery is verified, asked for each
	// request.
	Anchors func() ([]byte, error)
	// Dial replaces the network's own dialling, for tests; optional.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Fetch makes a key and buys one certificate for it. The answer is verified: it
// is for that key and ID, and the roots that came with it vouch for it.
func (c *Client) Fetch(ctx context.Context) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	token, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{c.ID.URI()}}, key)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	conn, err := c.Connect()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := securityv1alpha1.NewIstioCertificateServiceClient(conn).CreateCertificate(ctx, &securityv1alpha1.IstioCertificateRequest{
		Csr: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	})
	if err != nil {
		return nil, fmt.Errorf("request certificate from %s: %w", c.Address, err)
	}
	out, err := c.accept(answer.GetCertChain(), key)
	if err != nil {
		return nil, fmt.Errorf("check certificate from %s: %w", c.Address, err)
	}
	return out, nil
}

// Connect makes a connection to discovery, with a certificate of one's own or
// without one. The caller closes it.
func (c *Client) Connect(own ...tls.Certificate) (*grpc.ClientConn, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("read discovery address: %w", err)
	}
	anchors, err := c.Anchors()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(anchors) {
		return nil, errors.New("read mesh roots: no PEM certificate in them")
	}
	// A proxy that the environment names is for the outside, not for the mesh.
	options := []grpc.DialOption{grpc.WithNoProxy(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: host, Certificates: own,
	}))}
	if c.Dial != nil {
		options = append(options, grpc.WithContextDialer(c.Dial))
	}
	conn, err := grpc.NewClient("passthrough:///"+c.Address, options...)
	if err != nil {
		return nil, fmt.Errorf("dial discovery: %w", err)
	}
	return conn, nil
}

// accept verifies the chain that came back: leaf, maybe intermediates, and the
// roots as the last element.
func (c *Client) accept(chain []string, key *ecdsa.PrivateKey) (*Identity, error) {
	if len(chain) < 2 {
		return nil, fmt.Errorf("%d elements in the chain, want leaf and roots", len(chain))
	}
	own, roots := []byte(strings.Join(chain[:len(chain)-1], "\n")), []byte(chain[len(chain)-1])
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	// X509KeyPair also checks that the leaf is for this key.
	pair, err := tls.X509KeyPair(own, keyPEM)
	if err != nil {
		return nil, err
	}
	leaf := pair.Leaf
	if id, err := spiffe.FromCertificate(leaf); err != nil || id != c.ID {
		return nil, fmt.Errorf("it is for %v (%v), want %s", leaf.URIs, err, c.ID)
	}
	trusted, between := x509.NewCertPool(), x509.NewCertPool()
	trusted.AppendCertsFromPEM(roots)
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(cert)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between}); err != nil {
		return nil, err
	}
	return &Identity{Chain: own, Key: keyPEM, Roots: bytes.TrimSpace(roots), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}, nil
}
