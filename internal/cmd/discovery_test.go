package cmd

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

const (
	frontNode = "sidecar~10.244.0.1~front-1.shop~shop.svc.cluster.local"
	edgeNode  = "router~10.244.0.9~edge-1.mesh-ingress~mesh-ingress.svc.cluster.local"
	backHost  = "8080/back.shop.svc.cluster.local:8080"
	sideHost  = "8080/side.shop.svc.cluster.local:8080"
	v1Cluster = "outbound|8080|v1|back.shop.svc.cluster.local"
	v2Cluster = "outbound|8080|v2|back.shop.svc.cluster.local"
)

// shop is a shop of a few services, and a gateway before it.
const shop = `
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec: {clusterIP: 10.0.0.10, selector: {app: front}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {clusterIP: 10.0.0.20, selector: {app: back}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: side, namespace: shop}
spec: {clusterIP: 10.0.0.30, selector: {app: side}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.0.0.40, selector: {app: db}, ports: [{name: tcp-mysql, port: 3306}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: mesh-ingress}
spec: {clusterIP: 10.0.0.90, selector: {app: edge}, ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front-1, namespace: shop, labels: {app: front}}
spec: {containers: [{name: app, image: app}]}
status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: mesh-ingress, labels: {app: edge}}
spec: {containers: [{name: istio-proxy, image: proxy, args: [agent, router]}]}
status: {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back, namespace: shop}
spec:
  host: back
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`

// backPod is the pod of back, of this version.
func backPod(version string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: back-1, namespace: shop, labels: {app: back, version: ` + version + `}}
spec: {containers: [{name: app, image: app}]}
status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}
`
}

// slice are the endpoints of a Service of the shop.
func slice(service, port string, ips ...string) string {
	var endpoints []string
	for _, ip := range ips {
		target := ""
		if ip == "10.244.0.2" {
			target = ", targetRef: {kind: Pod, namespace: shop, name: back-1}"
		}
		endpoints = append(endpoints, "{addresses: ["+ip+"], conditions: {ready: true}"+target+"}")
	}
	return fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: shop, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [%[2]s]
endpoints: [%[3]s]
`, service, port, strings.Join(endpoints, ", "))
}

const (
	httpPort  = "{name: http, port: 8080, protocol: TCP}"
	mysqlPort = "{name: tcp-mysql, port: 3306, protocol: TCP}"
)

// route is a VirtualService of the shop whose whole spec after hosts is http.
func route(name, host, http string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: shop}
spec: {hosts: [%s], http: [%s]}
`, name, host, http)
}

// tlsSecret is a Secret with a certificate and its key.
func tlsSecret(t *testing.T, namespace, name string) string {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey("a.example.com", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {namespace: %s, name: %s}, data: {tls.crt: %s, tls.key: %s}}",
		namespace, name, encode(certificate), encode(key))
}

// clustersOf are the clusters that a virtual host's routes lead to, in order.
func clustersOf(h *routev3.VirtualHost) (out []string) {
	for _, r := range h.GetRoutes() {
		out = append(out, r.GetRoute().GetCluster())
	}
	return out
}

// leadsTo is true of virtual hosts whose routes lead to these clusters.
func leadsTo(clusters ...string) func(*routev3.VirtualHost) bool {
	return func(h *routev3.VirtualHost) bool { return slices.Equal(clustersOf(h), clusters) }
}

// size is true of assignments with so many endpoints.
func size(n int) func(*endpointv3.ClusterLoadAssignment) bool {
	return func(a *endpointv3.ClusterLoadAssignment) bool {
		got := 0
		for _, l := range a.GetEndpoints() {
			got += len(l.GetLbEndpoints())
		}
		return got == n
	}
}

func isThere[M any](M) bool { return true }

// line is a discovery between an API server and two Envoys.
type line struct {
	*cluster
	discovery   *running
	flags       []string
	front, edge *envoy
	sides       int
}

// mark makes a change whose effect front sees, and waits for it: what was
// handed to the engine before has then been looked at. It is one assignment
// with one endpoint more.
func (l *line) mark(t *testing.T) {
	t.Helper()
	l.sides++
	ips := make([]string, l.sides)
	for i := range ips {
		ips[i] = fmt.Sprintf("10.244.1.%d", i+1)
	}
	l.apply(t, slice("side", httpPort, ips...))
	get(t, l.front, resource.Endpoints, "outbound|8080||side.shop.svc.cluster.local", size(l.sides))
}

// marked is what front receives for a mark.
func marked() map[string]adsclient.Count {
	return map[string]adsclient.Count{"ClusterLoadAssignment": {Responses: 1, Resources: 1}}
}

// counts are those of front, with nothing under way.
func (l *line) counts(t *testing.T) map[resource.TypeURL]adsclient.Count {
	t.Helper()
	l.mark(t)
	l.discovery.synced(t, "edge-1", "front-1")
	return l.front.counts()
}

// TestDiscovery follows objects from a real API server to what Envoys hold. The
// subtests share one mesh and run in this order.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	meshConfig := filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(meshConfig, []byte("gatewayNamespaces: [mesh-ingress]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &line{cluster: newCluster(t, "mesh-system", "mesh-ingress", "shop"), flags: []string{"--mesh-config", meshConfig}}
	l.apply(t, shop)
	l.apply(t, backPod("v1"))
	l.apply(t, slice("back", httpPort, "10.244.0.2"))
	l.apply(t, slice("db", mysqlPort, "10.244.0.4", "10.244.0.5"))
	l.discovery = l.discover(t, l.flags...)
	l.front, l.edge = newEnvoy(t, frontNode), newEnvoy(t, edgeNode)
	l.front.connect(t, l.discovery)
	l.edge.connect(t, l.discovery)

	for _, step := range []struct {
		name string
		run  func(*testing.T, *line)
	}{
		{"a sidecar gets clusters, endpoints, listeners and virtual hosts of the cluster's Services", sidecarGetsAll},
		{"a VirtualService changes its virtual host and nothing else is sent", routeChangesOneVirtualHost},
		{"a label of a pod moves its endpoint to another subset", labelMovesEndpoint},
		{"a change that changes no resource sends nothing", nothingSentForNothing},
		{"a PeerAuthentication that selects nobody sends nothing", peerAuthenticationOfNobody},
		{"a VirtualService with a bad regex is refused and named, and the rest goes on", badRegex},
		{"a VirtualService whose update is bad loses its effect and gets it back when mended", badUpdate},
		{"the younger of two VirtualServices of a host is named and the older stays", sameHost},
		{"a route to a host that does not exist answers 503 and is named, the others go on", missingHost},
		{"a Gateway's server whose Secret is missing stays closed until the Secret comes", missingSecret},
		{"a deleted Service takes its cluster and virtual host along", deletedService},
		{"an Envoy that comes back to a new discovery is sent only what changed", resume},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, l) }) {
			return // The next would start from another mesh than it thinks.
		}
	}
}

func sidecarGetsAll(t *testing.T, l *line) {
	get(t, l.front, resource.Endpoints, "outbound|3306||db.shop.svc.cluster.local", size(2))
	get(t, l.front, resource.Endpoints, v1Cluster, size(1))
	get(t, l.front, resource.Endpoints, v2Cluster, size(0))
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("outbound|8080||back.shop.svc.cluster.local"))
	get(t, l.front, resource.Listener, "virtualInbound", isThere[*listenerv3.Listener])
	l.front.await(t, "all that was asked for", (*adsclient.Client).Settled)
	for of, names := range map[resource.TypeURL][]string{
		resource.Cluster: {
			"BlackHoleCluster", "InboundPassthroughCluster", "PassthroughCluster", "inbound|8080||",
			"outbound|3306||db.shop.svc.cluster.local", "outbound|443||kubernetes.default.svc.cluster.local",
			"outbound|8080||front.shop.svc.cluster.local", "outbound|8080||side.shop.svc.cluster.local",
		},
		resource.Listener: {"0.0.0.0_8080", "10.0.0.40_3306", "virtualInbound", "virtualOutbound"},
		resource.Route:    {"8080"},
		resource.VirtualHost: {
			backHost, sideHost, "8080/front.shop.svc.cluster.local:8080",
		},
	} {
		held := l.front.names(of)
		for _, name := range names {
			if !slices.Contains(held, name) {
				t.Errorf("no %s %s among %v", of.Short(), name, held)
			}
		}
	}
}

func routeChangesOneVirtualHost(t *testing.T, l *line) {
	l.apply(t, route("back", "back", "{route: [{destination: {host: back, subset: v1}}]}"))
	get(t, l.front, resource.VirtualHost, backHost, leadsTo(v1Cluster))
	before := l.counts(t)
	l.apply(t, route("back", "back", "{route: [{destination: {host: back, subset: v2}}]}"))
	get(t, l.front, resource.VirtualHost, backHost, leadsTo(v2Cluster))
	want := map[string]adsclient.Count{"VirtualHost": {Responses: 1, Resources: 1}}
	if diff := cmp.Diff(want, l.front.received(before)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	l.apply(t, route("back", "back", "{route: [{destination: {host: back, subset: v1}}]}"))
	get(t, l.front, resource.VirtualHost, backHost, leadsTo(v1Cluster))
}

func labelMovesEndpoint(t *testing.T, l *line) {
	l.apply(t, backPod("v2"))
	get(t, l.front, resource.Endpoints, v2Cluster, size(1))
	get(t, l.front, resource.Endpoints, v1Cluster, size(0))
	l.apply(t, backPod("v1"))
	get(t, l.front, resource.Endpoints, v1Cluster, size(1))
	get(t, l.front, resource.Endpoints, v2Cluster, size(0))
}

func nothingSentForNothing(t *testing.T, l *line) {
	before := l.counts(t)
	// A new generation; the subset's name is the first route's and matches all.
	l.apply(t, strings.ReplaceAll(route("back", "back", "{route: [{destination: {host: back, subset: v1}}]}"), "hosts: [back]", "hosts: [back.shop.svc.cluster.local]"))
	l.condition(t, "VirtualService", "shop/back", "Accepted", "True")
	l.mark(t)
	if diff := cmp.Diff(marked(), l.front.received(before)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

func peerAuthenticationOfNobody(t *testing.T, l *line) {
	before := l.counts(t)
	edge := l.edge.counts()
	l.apply(t, `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: nobody, namespace: shop}
spec: {selector: {matchLabels: {app: nobody}}, mtls: {mode: STRICT}}
`)
	// Conditions are written after the engine has the object.
	l.condition(t, "PeerAuthentication", "shop/nobody", "Accepted", "True")
	l.mark(t)
	if diff := cmp.Diff(marked(), l.front.received(before)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if got := l.edge.received(edge)["Listener"]; got != (adsclient.Count{}) {
		t.Errorf("the gateway received %+v", got)
	}
}

func badRegex(t *testing.T, l *line) {
	l.apply(t, route("side", "side", `{match: [{uri: {regex: "/a("}}], route: [{destination: {host: back}}]}`))
	reason, message := l.condition(t, "VirtualService", "shop/side", "Accepted", "False")
	if reason != "Invalid" || !strings.Contains(message, "spec.http[0].match[0].uri.regex") {
		t.Errorf("reason %s, message %q: the field is not named", reason, message)
	}
	l.apply(t, route("back", "back", "{route: [{destination: {host: back, subset: v2}}]}"))
	get(t, l.front, resource.VirtualHost, backHost, leadsTo(v2Cluster))
	get(t, l.front, resource.VirtualHost, sideHost, leadsTo("outbound|8080||side.shop.svc.cluster.local"))
}

func badUpdate(t *testing.T, l *line) {
	l.apply(t, route("side", "side", "{route: [{destination: {host: back, subset: v1}}]}"))
	l.condition(t, "VirtualService", "shop/side", "Accepted", "True")
	get(t, l.front, resource.VirtualHost, sideHost, leadsTo(v1Cluster))
	l.apply(t, route("side", "side", `{match: [{headers: {a: {regex: "["}}}], route: [{destination: {host: back}}]}`))
	if _, message := l.condition(t, "VirtualService", "shop/side", "Accepted", "False"); !strings.Contains(message, "spec.http[0].match[0].headers") {
		t.Errorf("message %q: the field is not named", message)
	}
	get(t, l.front, resource.VirtualHost, sideHost, leadsTo("outbound|8080||side.shop.svc.cluster.local"))
	l.apply(t, route("side", "side", "{route: [{destination: {host: back, subset: v1}}]}"))
	l.condition(t, "VirtualService", "shop/side", "Accepted", "True")
	get(t, l.front, resource.VirtualHost, sideHost, leadsTo(v1Cluster))
}

func sameHost(t *testing.T, l *line) {
	before := l.counts(t)
	l.apply(t, route("younger", "back", "{route: [{destination: {host: side}}]}"))
	reason, message := l.condition(t, "VirtualService", "shop/younger", "Warning", "True")
	if reason != "HostClaimed" || !strings.Contains(message, "spec.hosts[0]") || !strings.Contains(message, "shop/back") {
		t.Errorf("reason %s, message %q: want the field and the object that has the host", reason, message)
	}
	l.mark(t)
	if diff := cmp.Diff(marked(), l.front.received(before)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	// When the older goes, the younger's turn comes.
	if err := l.client.Delete(t.Context(), object("VirtualService", "shop/back")); err != nil {
		t.Fatal(err)
	}
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("outbound|8080||side.shop.svc.cluster.local"))
	if err := l.client.Delete(t.Context(), object("VirtualService", "shop/younger")); err != nil {
		t.Fatal(err)
	}
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("outbound|8080||back.shop.svc.cluster.local"))
}

func missingHost(t *testing.T, l *line) {
	l.apply(t, route("back", "back", "{match: [{uri: {prefix: /new}}], route: [{destination: {host: later}}]}, {route: [{destination: {host: back, subset: v1}}]}"))
	reason, message := l.condition(t, "VirtualService", "shop/back", "Warning", "True")
	if reason != "HostNotFound" || !strings.Contains(message, "spec.http[0].route[0].destination.host") {
		t.Errorf("reason %s, message %q: want the field", reason, message)
	}
	l.condition(t, "VirtualService", "shop/back", "Accepted", "True")
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("BlackHoleCluster", v1Cluster))
	l.apply(t, "{apiVersion: v1, kind: Service, metadata: {name: later, namespace: shop}, spec: {clusterIP: 10.0.0.50, ports: [{name: http, port: 8080}]}}")
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("outbound|8080||later.shop.svc.cluster.local", v1Cluster))
}

func missingSecret(t *testing.T, l *line) {
	l.apply(t, `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: a-cert}}
`)
	reason, message := l.condition(t, "Gateway", "shop/edge", "Warning", "True")
	if reason != "CredentialNotFound" || !strings.Contains(message, "spec.servers[1].tls.credentialName") {
		t.Errorf("reason %s, message %q: want the field", reason, message)
	}
	get(t, l.edge, resource.Listener, "0.0.0.0_8080", isThere[*listenerv3.Listener])
	if names := l.edge.names(resource.Listener); slices.Contains(names, "0.0.0.0_8443") {
		t.Errorf("a server without a certificate is open: %v", names)
	}
	l.apply(t, tlsSecret(t, "mesh-ingress", "a-cert"))
	get(t, l.edge, resource.Listener, "0.0.0.0_8443", isThere[*listenerv3.Listener])
	eventually(t, func() string {
		u := object("Gateway", "shop/edge")
		if err := l.client.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(u.Object["status"]); strings.Contains(text, "Warning") {
			return "the warning stays: " + text
		}
		return ""
	})
}

func deletedService(t *testing.T, l *line) {
	get(t, l.front, resource.Cluster, "outbound|8080||later.shop.svc.cluster.local", isThere[*clusterv3.Cluster])
	u := object("", "shop/later")
	u.SetAPIVersion("v1")
	u.SetKind("Service")
	if err := l.client.Delete(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	l.front.await(t, "the cluster to go", func(c *adsclient.Client) bool {
		_, host := c.Holds[resource.VirtualHost]["8080/later.shop.svc.cluster.local:8080"]
		_, cluster := c.Holds[resource.Cluster]["outbound|8080||later.shop.svc.cluster.local"]
		return !host && !cluster
	})
	get(t, l.front, resource.VirtualHost, backHost, leadsTo("BlackHoleCluster", v1Cluster))
}

func resume(t *testing.T, l *line) {
	before := l.counts(t)
	l.discovery.stop()
	l.front.session.Close()
	l.edge.session.Close()
	l.discovery = l.discover(t, l.flags...)
	l.front.connect(t, l.discovery)
	l.edge.connect(t, l.discovery)
	l.discovery.synced(t, "edge-1", "front-1")
	l.mark(t)
	l.discovery.synced(t, "edge-1", "front-1")
	got := l.front.received(before)
	for of, n := range got {
		// The first request of a type is answered, if need be with nothing.
		if n.Responses = 0; n == (adsclient.Count{}) {
			delete(got, of)
		} else {
			got[of] = n
		}
	}
	want := map[string]adsclient.Count{"ClusterLoadAssignment": {Resources: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}
