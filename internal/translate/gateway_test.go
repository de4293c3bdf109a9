package translate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

const edge = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tls, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [simple.example.com], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: simple, protocol: HTTPS}, hosts: [simple.example.com], tls: {mode: SIMPLE, credentialName: simple}}
  - {port: {number: 443, name: missing, protocol: HTTPS}, hosts: [missing.example.com], tls: {mode: SIMPLE, credentialName: missing}}
  - {port: {number: 443, name: mutual, protocol: HTTPS}, hosts: [mutual.example.com], tls: {mode: MUTUAL, credentialName: mutual}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls, namespace: shop}
spec:
  hosts: ["*.example.com"]
  gateways: [tls]
  http:
  - directResponse: {status: 204}
`

// credential is a self-signed certificate for a host, that is its own authority.
func credential(t *testing.T, name, host string) (*mesh.Credential, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ca.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	pem := ca.CertificatePEM(cert)
	return &mesh.Credential{Namespace: "mesh-ingress", Name: name, Cert: pem, Key: text, CA: pem},
		tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestGatewayTerminatesTLS(t *testing.T) {
	t.Parallel()
	simple, _ := credential(t, "simple", "simple.example.com")
	mutual, own := credential(t, "mutual", "mutual.example.com")
	m := meshtest.ReadText(t, readFile(t, "testdata/shop.yaml")+"---"+edge)
	changes := m.Changes()
	for _, c := range []*mesh.Credential{simple, mutual} {
		changes = append(changes, mesh.Change{Key: mesh.Key{Kind: mesh.KindCredential, Namespace: c.Namespace, Name: c.Name}, Value: c})
	}
	m = meshtest.New(changes...)
	resources := m.Resources(t, router)
	for _, l := range resources[resource.Listener] {
		onLoopback(l.(*listenerv3.Listener))
	}
	server := ads.Serve(t, resources, ads.NewSVID(t, "mesh-ingress", "ingress"))
	at := envoy.Start(t, server.Bootstrap("edge")).Listeners(t)
	for name, tc := range map[string]struct {
		host string
		cert []tls.Certificate
		// want is the status and the name in the server's certificate, or what
		// the error says.
		want string
	}{
		"SIMPLE":                           {host: "simple.example.com", want: "204 simple.example.com"},
		"a server whose Secret is missing": {host: "missing.example.com", want: "EOF"},
		"MUTUAL with a certificate":        {host: "mutual.example.com", cert: []tls.Certificate{own}, want: "204 mutual.example.com"},
		"MUTUAL without":                   {host: "mutual.example.com", want: "certificate required"},
		"a host that no server has":        {host: "example.org", want: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := overTLS(t, at["0.0.0.0_8443"], tc.host, tc.cert)
			if !strings.Contains(got, tc.want) && (tc.want != "EOF" || !strings.Contains(got, "reset")) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if status, _ := get(t, at["0.0.0.0_8080"], "http://simple.example.com/"); status != http.StatusMovedPermanently {
		t.Errorf("httpsRedirect answers %d", status)
	}
	if r := server.Rejected(); len(r) > 0 {
		t.Errorf("Envoy rejects %q", r)
	}
}

func overTLS(t *testing.T, address, host string, certs []tls.Certificate) string {
	t.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true, Certificates: certs}, //nolint:gosec // its name is compared
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close() //nolint:errcheck // only read
	return fmt.Sprint(response.StatusCode, " ", response.TLS.PeerCertificates[0].Subject.CommonName)
}
