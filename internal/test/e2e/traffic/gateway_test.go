//go:build e2e

package traffic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// ingress is the address on the node of a port of the ingress gateway.
func (w *world) ingress(t *testing.T, port int32) string {
	t.Helper()
	service, err := w.Client.CoreV1().Services(e2e.IngressNamespace).Get(t.Context(), "meshwright-ingress", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host := w.pods(t, e2e.IngressNamespace, "istio=ingressgateway")[0].Status.HostIP
	for _, p := range service.Spec.Ports {
		if p.Port == port {
			return fmt.Sprintf("%s:%d", host, p.NodePort)
		}
	}
	t.Fatalf("the ingress gateway has no port %d", port)
	return ""
}

// browser is a client that finds every host at one address and trusts one
// authority.
func browser(address string, trusted []byte) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, address)
			},
		},
	}
}

// visit agrees with an answer of that status.
func visit(t *testing.T, client *http.Client, url string, want int) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		return fmt.Errorf("%s: %s, %w: %s; want %d", url, response.Status, err, body, want)
	}
	return nil
}

func testGatewayHTTP(t *testing.T, w *world) {
	w.service(t, "shown")
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: http}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [one.example, "*.many.example"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shown}
spec:
  hosts: [one.example, "*.many.example"]
  gateways: [http]
  http:
  - match: [{uri: {prefix: /v2}}]
    route: [{destination: {host: shown, subset: v2}}]
  - match: [{uri: {prefix: /v1}}]
    route: [{destination: {host: shown, subset: v1, port: {number: 8080}}}]
`)
	client := browser(w.ingress(t, 80), nil)
	for url, want := range map[string]int{
		"http://one.example/v1":    http.StatusOK,
		"http://a.many.example/v2": http.StatusOK,
		"http://one.example/else":  http.StatusNotFound,
		"http://many.example/v1":   http.StatusNotFound,
		"http://two.example/v1":    http.StatusNotFound,
	} {
		w.Eventually(t, func() error { return visit(t, client, url, want) })
	}
}

func testGatewayTLS(t *testing.T, w *world) {
	w.service(t, "secured")
	early, late := w.shop+"-early", w.shop+"-late"
	trusted := w.certificate(t, early, "early.example")
	w.Apply(t, w.shop, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tls}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https-early, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: %s}
    hosts: [early.example]
  - port: {number: 443, name: https-late, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: %s}
    hosts: [late.example]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: secured}
spec:
  hosts: [early.example, late.example]
  gateways: [tls]
  http:
  - route: [{destination: {host: secured}}]
`, early, late))
	address := w.ingress(t, 443)
	w.Eventually(t, func() error { return visit(t, browser(address, trusted), "https://early.example/", http.StatusOK) })
	w.waitCondition(t, "gateways.networking.istio.io/tls", condition{"Warning", "True", "CredentialNotFound", late})
	if err := visit(t, browser(address, trusted), "https://late.example/", http.StatusOK); err == nil {
		t.Error("a host without certificate was served")
	}
	trusted = w.certificate(t, late, "late.example")
	w.Eventually(t, func() error { return visit(t, browser(address, trusted), "https://late.example/", http.StatusOK) })
	w.Eventually(t, func() error {
		conditions := w.Kubectl(t, "--namespace", w.shop, "get", "gateways.networking.istio.io/tls", "--output", "jsonpath={.status.conditions}")
		if strings.Contains(conditions, "CredentialNotFound") {
			return fmt.Errorf("the Gateway still has the conditions %s", conditions)
		}
		return nil
	})
}

// certificate makes a Secret for the ingress gateway and returns the authority
// that its clients trust.
func (w *world) certificate(t *testing.T, secret, host string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secrets := w.Client.CoreV1().Secrets(e2e.IngressNamespace)
	if _, err := secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secret},
		Type:       corev1.SecretTypeTLS,
		Data: map[string][]byte{
			corev1.TLSCertKey:       certificate,
			corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// It stays until the end, as the namespaces do.
	w.all.Cleanup(func() {
		if err := secrets.Delete(context.WithoutCancel(w.all.Context()), secret, metav1.DeleteOptions{}); err != nil {
			w.all.Error(err)
		}
	})
	return certificate
}
