//go:build e2e

package traffic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// client sends the requests of most tests, from inside the mesh and from outside.
const (
	client   = "deployment/client"
	stranger = "deployment/stranger"
)

// world is what the tests share: they change only what they add themselves.
type world struct {
	*e2e.Cluster
	// all is the test of which each other one is a part: namespaces stay until it
	// ends, so that their end does not disturb other parts.
	all *testing.T
	// shop is in the mesh: client, and server in the versions v1 and v2.
	shop string
	// outside is not: stranger.
	outside string
}

// TestTraffic has all tests, so that the last of them can ask every proxy that
// the others used.
func TestTraffic(t *testing.T) {
	w := &world{Cluster: e2e.Connect(t), all: t}
	w.InstallMesh(t)
	w.shop = w.Namespace(t, "istio-injection=enabled")
	w.outside = w.Namespace(t)
	w.Deploy(t, w.outside, e2e.App{Name: "stranger"})
	w.Deploy(t, w.shop,
		e2e.App{Name: "client"},
		e2e.App{Name: "server", Version: "v1"},
		e2e.App{Name: "server-v2", Service: "server", Version: "v2"})
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *world){
			"requests are routed by path, header and method":           testMatches,
			"requests are split by weight":                             testWeights,
			"paths are rewritten and requests redirected":              testRewriteAndRedirect,
			"slow requests end and failed ones are tried again":        testTimeoutAndRetries,
			"a host that nobody declares is passed through":            testUnknownHost,
			"a sidecar has the listeners that Istio users know":        testListenerModel,
			"the server sees who calls":                                testPeerIdentity,
			"mutual TLS is required where PeerAuthentication says so":  testStrict,
			"a server that speaks first is heard by everybody":         testServerFirst,
			"probes work under STRICT":                                 testProbes,
			"init containers have a network and Jobs end":              testInitContainerAndJob,
			"a gateway routes by host":                                 testGatewayHTTP,
			"a gateway serves TLS as soon as there is a Secret":        testGatewayTLS,
			"a new Pod gets requests and a Pod that ends loses none":   testEndpoints,
			"objects with mistakes say so and the rest of them serves": testProblems,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, w)
			})
		}
	})
	t.Run("mutual TLS is required in the whole mesh", func(t *testing.T) { testStrictMesh(t, w) })
	t.Run("requests go on without the control plane", func(t *testing.T) { testOutage(t, w) })
	t.Run("no proxy refused anything", func(t *testing.T) { testNothingRefused(t, w) })
}

// service adds a Service of the versions of server with a name of its own, for
// a test to route, and a DestinationRule with the subsets v1 and v2. It returns
// its URL.
func (w *world) service(t *testing.T, name string) string {
	t.Helper()
	w.Apply(t, w.shop, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: server}
  ports: [{name: http, port: 8080}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s}
spec:
  host: %[1]s
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`, name))
	return "http://" + name + ":8080"
}

// settle sends one request from client at a time until check agrees.
func (w *world) settle(t *testing.T, check func(e2e.Result) error, args ...string) {
	t.Helper()
	w.Eventually(t, func() error {
		result := w.Get(t, w.shop, client, args...)[0]
		if err := check(result); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, result)
		}
		return nil
	})
}

// answers agrees with 200 from a version.
func answers(version string) func(e2e.Result) error {
	return func(r e2e.Result) error {
		if r.Status != http.StatusOK || r.Body.Version != version {
			return fmt.Errorf("want 200 from %s", version)
		}
		return nil
	}
}

// status agrees with an answer of that status.
func status(want int) func(e2e.Result) error {
	return func(r e2e.Result) error {
		if r.Status != want {
			return fmt.Errorf("want status %d", want)
		}
		return nil
	}
}

// refused agrees with a connection that broke before an answer.
func refused(r e2e.Result) error {
	if r.Error == "" {
		return fmt.Errorf("want no answer")
	}
	return nil
}

// pods are the running ones that labels select, in one namespace or, if it is
// empty, in all.
func (w *world) pods(t *testing.T, namespace, selector string) []corev1.Pod {
	t.Helper()
	list, err := w.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: selector, FieldSelector: "status.phase=Running",
	})
	if err != nil || len(list.Items) == 0 {
		t.Fatalf("list Pods %q in %q: found %d, %v", selector, namespace, len(list.Items), err)
	}
	return list.Items
}

// condition is one of an object's status.conditions.
type condition struct{ Type, Status, Reason, Message string }

// waitCondition waits until an object has a condition that has these words in
// its message.
func (w *world) waitCondition(t *testing.T, object string, want condition) {
	t.Helper()
	w.Eventually(t, func() error {
		text := w.Kubectl(t, "--namespace", w.shop, "get", object, "--output", "jsonpath={.status.conditions}")
		var have []condition
		if text != "" {
			if err := json.Unmarshal([]byte(text), &have); err != nil {
				return err
			}
		}
		for _, c := range have {
			if c.Type == want.Type && c.Status == want.Status && c.Reason == want.Reason && strings.Contains(c.Message, want.Message) {
				return nil
			}
		}
		return fmt.Errorf("%s has the conditions %+v, want %+v", object, have, want)
	})
}
