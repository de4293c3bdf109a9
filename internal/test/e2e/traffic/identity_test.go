//go:build e2e

package traffic

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// peer is what the server's proxy says of a caller that proved who it is.
func peer(r e2e.Result) string { return strings.Join(r.Body.Headers["X-Forwarded-Client-Cert"], ",") }

// clientID is the identity of w's client.
func (w *world) clientID() string {
	return "URI=spiffe://cluster.local/ns/" + w.shop + "/sa/client"
}

// proven agrees with 200 from a server that saw w's client.
func (w *world) proven(r e2e.Result) error {
	if r.Status != http.StatusOK || !strings.Contains(peer(r), w.clientID()) {
		return fmt.Errorf("want 200 for %s", w.clientID())
	}
	return nil
}

// unproven agrees with 200 for a caller that proved nothing.
func unproven(r e2e.Result) error {
	if r.Status != http.StatusOK || peer(r) != "" {
		return fmt.Errorf("want 200 for a caller without identity")
	}
	return nil
}

func testPeerIdentity(t *testing.T, w *world) {
	w.settle(t, w.proven, "http://server:8080/")
	// What the application says of itself is not believed.
	result := w.Get(t, w.shop, client, "-H", "X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/x/sa/admin", "http://server:8080/")[0]
	if err := w.proven(result); err != nil || strings.Contains(peer(result), "admin") {
		t.Errorf("%v: %s, want only what was proved", err, result)
	}
	// By default both are served.
	if err := unproven(w.Get(t, w.outside, stranger, "http://server."+w.shop+":8080/")[0]); err != nil {
		t.Error(err)
	}
}

func testStrict(t *testing.T, w *world) {
	namespace := w.Namespace(w.all, "istio-injection=enabled")
	w.Apply(t, namespace, `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: both}
spec: {selector: {matchLabels: {app: both}}, mtls: {mode: PERMISSIVE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: plain}
spec: {selector: {matchLabels: {app: plain}}, mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: port}
spec:
  selector: {matchLabels: {app: port}}
  mtls: {mode: STRICT}
  portLevelMtls: {8080: {mode: DISABLE}}
`)
	w.Deploy(t, namespace, e2e.App{Name: "strict"}, e2e.App{Name: "both"}, e2e.App{Name: "plain"}, e2e.App{Name: "port"})
	for server, test := range map[string]struct{ client, stranger func(e2e.Result) error }{
		"strict": {w.proven, refused},
		"both":   {w.proven, unproven},
		"plain":  {unproven, unproven},
		"port":   {unproven, unproven},
	} {
		url := "http://" + server + "." + namespace + ":8080/"
		w.settle(t, test.client, url)
		w.Eventually(t, func() error {
			result := w.Get(t, w.outside, stranger, url)[0]
			if err := test.stranger(result); err != nil {
				return fmt.Errorf("a stranger to %s: %w: %s", server, err, result)
			}
			return nil
		})
	}
	// The other port of the workload is under its own mode.
	address := "port." + namespace + ":9000"
	if greeting, err := w.Greet(t, w.shop, client, address); !strings.HasPrefix(greeting, "hello from port-") {
		t.Errorf("greeting %q, %v; want that of the server", greeting, err)
	}
	if greeting, err := w.Greet(t, w.outside, stranger, address); err == nil {
		t.Errorf("a stranger was greeted with %q, want that it is refused", greeting)
	}
}

func testStrictMesh(t *testing.T, w *world) {
	const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`
	w.Apply(t, e2e.MeshNamespace, policy)
	fromStranger := func(check func(e2e.Result) error) {
		t.Helper()
		w.Eventually(t, func() error { return check(w.Get(t, w.outside, stranger, "http://server."+w.shop+":8080/")[0]) })
	}
	fromStranger(refused)
	w.settle(t, w.proven, "http://server:8080/")
	w.Kubectl(t, "--namespace", e2e.MeshNamespace, "delete", "peerauthentication", "default")
	fromStranger(unproven)
}
