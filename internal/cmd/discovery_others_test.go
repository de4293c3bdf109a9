package cmd

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/agent/svid"
	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca/store"
	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// threeDiscoveries are pods of two revisions of one mesh, of which the last does
// not run yet; and a pod that goes.
const threeDiscoveries = `
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: mesh-system, labels: {meshwright.io/component: discovery, meshwright.io/install: prod, meshwright.io/revision: prod-1}}
spec: {containers: [{name: discovery, image: a}]}
status: {phase: Running, podIP: 127.0.0.2, podIPs: [{ip: 127.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: mesh-system, labels: {meshwright.io/component: discovery, meshwright.io/install: prod, meshwright.io/revision: prod-2}}
spec: {containers: [{name: discovery, image: a}]}
status: {phase: Running, podIP: 127.0.0.3, podIPs: [{ip: 127.0.0.3}]}
---
apiVersion: v1
kind: Pod
metadata: {name: starting, namespace: mesh-system, labels: {meshwright.io/component: discovery, meshwright.io/install: prod, meshwright.io/revision: prod-2}}
spec: {containers: [{name: discovery, image: a}]}
status: {phase: Running, podIP: 127.0.0.4, podIPs: [{ip: 127.0.0.4}]}
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {clusterIP: 10.0.0.20, selector: {app: back}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: back, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: back-1, namespace: shop, labels: {app: back}}
spec: {nodeName: a, serviceAccountName: back, automountServiceAccountToken: false, containers: [{name: istio-proxy, image: a}]}
status: {phase: Running, podIP: 10.244.0.5, podIPs: [{ip: 10.244.0.5}]}
`

// backSlice has two pods behind the Service, the first ready or on its way out.
func backSlice(ready bool) string {
	return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back-x, namespace: shop, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.244.0.5], targetRef: {kind: Pod, namespace: shop, name: back-1}, conditions: {ready: ` + strconv.FormatBool(ready) + `, serving: true, terminating: ` + strconv.FormatBool(!ready) + `}}
- {addresses: [10.244.0.6], conditions: {ready: true}}
`
}

// leaver is what the agent of the pod back-1 asks a discovery with.
func (c *cluster) leaver(t *testing.T, address string) func() error {
	t.Helper()
	kube := kubernetes.NewForConfigOrDie(c.Config)
	roots, err := kube.CoreV1().ConfigMaps("mesh-system").Get(t.Context(), store.BundleName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := kube.CoreV1().ServiceAccounts("shop").CreateToken(t.Context(), "back", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{authn.AudienceCA}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token.Status.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := &svid.Client{
		Address: "meshwright-discovery-prod-1.mesh-system.svc:15012", TokenFile: file,
		ID:      spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "back"},
		Anchors: func() ([]byte, error) { return []byte(roots.Data[store.BundleKey]), nil },
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	own, err := agent.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(own.Chain, own.Key)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := agent.Connect(pair)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return func() error {
		return leave.Ask(t.Context(), conn, "sidecar~10.244.0.5~back-1.shop~shop.svc.cluster.local")
	}
}

// TestAPodGoesOnceTheProxiesOfAllDiscoveriesHaveHeard has a caller at each of
// two discoveries, of two revisions, and asks one of them.
func TestAPodGoesOnceTheProxiesOfAllDiscoveriesHaveHeard(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mesh-system", "shop")
	c.apply(t, threeDiscoveries)
	c.apply(t, backSlice(true))
	file := filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(file, []byte("install: prod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(freeport.Take(t))
	start := func(ip string) *running {
		return c.discover(t, "--mesh-config", file, "--secure-address", net.JoinHostPort(ip, port))
	}
	near, far := start("127.0.0.2"), start("127.0.0.3")

	const cluster = "outbound|8080||back.shop.svc.cluster.local"
	held := func(e *envoy) (version string) {
		e.await(t, cluster, func(c *adsclient.Client) bool {
			version = c.Holds[resource.Endpoints][cluster].Version
			return version != ""
		})
		return version
	}
	quick := newEnvoy(t, "sidecar~10.244.0.1~quick-1.shop~shop.svc.cluster.local")
	quick.connect(t, near)
	slow := newEnvoy(t, "sidecar~10.244.0.2~slow-1.shop~shop.svc.cluster.local")
	var first atomic.Value
	received, goOn := make(chan struct{}, 1), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	slow.client.Reject = func(of resource.TypeURL, _ string, r adsclient.Resource) string {
		if before := first.Load(); of == resource.Endpoints && before != nil && before != r.Version {
			received <- struct{}{}
			<-goOn // it takes its time
		}
		return ""
	}
	slow.connect(t, far)
	t.Cleanup(letGo)
	before := held(quick)
	first.Store(held(slow))

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "back-1"}}
	if err := c.client.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	ask := c.leaver(t, net.JoinHostPort("127.0.0.2", port))
	result := make(chan error, 1)
	go func() { result <- ask() }()
	c.apply(t, backSlice(false))
	<-received
	quick.await(t, "the endpoints without the pod", func(c *adsclient.Client) bool {
		return c.Holds[resource.Endpoints][cluster].Version != before
	})
	// By now the near one has its answer, and has gone on.
	c.apply(t, "{apiVersion: v1, kind: Service, metadata: {name: later, namespace: shop}, spec: {ports: [{name: http, port: 8080}]}}")
	quick.await(t, "a later Service", func(c *adsclient.Client) bool {
		return c.Holds[resource.Cluster]["outbound|8080||later.shop.svc.cluster.local"].Version != ""
	})
	select {
	case err := <-result:
		t.Fatalf("got %v while a proxy of another discovery still sends to the pod", err)
	default:
	}
	letGo()
	if err := <-result; err != nil {
		t.Error(err)
	}
}
