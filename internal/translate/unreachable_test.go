package translate_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/test/meshtest"
)

// unreachable is two services: of pair's endpoints one answers, of single's none.
const unreachable = `
apiVersion: v1
kind: Service
metadata: {name: pair, namespace: shop}
spec:
  clusterIP: 10.96.0.81
  selector: {app: pair}
  ports: [{name: http, port: 8080, targetPort: PORT}]
---
apiVersion: v1
kind: Service
metadata: {name: single, namespace: shop}
spec:
  clusterIP: 10.96.0.83
  selector: {app: single}
  ports: [{name: http, port: 8080, targetPort: PORT}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pair-x, namespace: shop, labels: {kubernetes.io/service-name: pair}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.1.81]}, {addresses: [127.0.1.82]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: single-x, namespace: shop, labels: {kubernetes.io/service-name: single}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.1.83]}]
`

func TestUnreachableEndpointIsLeftOutUnlessItIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.81", port)
	m := meshtest.ReadText(t, strings.ReplaceAll(unreachable, "PORT", strconv.Itoa(port)))
	proxy := client(t, m, "127.0.1.80")
	at := proxy.Listeners(t)["0.0.0.0_8080"]
	for range 50 {
		if status, body := get(t, at, "http://pair.shop/"); status != 200 {
			t.Fatalf("answer %d %q, want that of the other endpoint", status, body)
		}
		if status, _ := get(t, at, "http://single.shop/"); status != 503 {
			t.Fatalf("answer %d of a service that nobody serves", status)
		}
	}
	for host, want := range map[string]int64{"pair": 1, "single": 0} {
		name := "cluster.outbound|8080||" + host + ".shop.svc.cluster.local.outlier_detection.ejections_active"
		if got := proxy.Stats(t, "ejections_active")[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	pod(t, "127.0.1.83", port)
	if status, body := get(t, at, "http://single.shop/"); status != 200 {
		t.Errorf("answer %d %q right after it came back", status, body)
	}
}

const rollingOver = `
apiVersion: v1
kind: Service
metadata: {name: over, namespace: shop}
spec:
  clusterIP: 10.96.0.84
  selector: {app: over}
  ports: [{name: http, port: 8080, targetPort: PORT}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: over-old, namespace: shop, labels: {kubernetes.io/service-name: over}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.1.84]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: over-new, namespace: shop, labels: {kubernetes.io/service-name: over}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.1.85]}]
`

// An endpoint is left out while there is another, which then goes: as when a
// new pod is slow and the old one is deleted.
func TestEndpointThatIsLeftOutServesOnceNoOtherIsThere(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.84", port)
	var texts []string
	for _, doc := range golden.Documents([]byte(strings.ReplaceAll(rollingOver, "PORT", strconv.Itoa(port)))) {
		texts = append(texts, string(doc))
	}
	l := goLive(t, "0.0.0.0_8080")
	l.set(t, true, texts...)
	l.engine.Synced()
	sds := ads.Serve(t, nil, newSVID(t, "shop", "front"))
	proxy := envoy.Start(t, ads.Bootstrap("sidecar~10.244.0.10~front-1.shop~shop.svc.cluster.local", l.address, sds.Address()))
	caller := mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: "front-1"}
	l.settled(t, proxy, caller)
	at := proxy.Listeners(t)["0.0.0.0_8080"]
	const cluster = "cluster.outbound|8080||over.shop.svc.cluster.local."
	eventually(t, func() string {
		if status, body := get(t, at, "http://over.shop/"); status != 200 {
			t.Fatalf("answer %d %q, want that of the old endpoint", status, body)
		}
		if proxy.Stats(t, "ejections_active")[cluster+"outlier_detection.ejections_active"] != 1 {
			return "the new endpoint is not left out yet"
		}
		return ""
	})
	pod(t, "127.0.1.85", port)
	l.set(t, false, texts[1])
	eventually(t, func() string {
		if n := proxy.Stats(t, "membership_total")[cluster+"membership_total"]; n != 1 {
			return fmt.Sprintf("there are %d endpoints", n)
		}
		return ""
	})
	if active := proxy.Stats(t, "ejections_active")[cluster+"outlier_detection.ejections_active"]; active != 1 {
		t.Fatalf("%d endpoints are left out, so this shows nothing", active)
	}
	for range 20 {
		if status, body := get(t, at, "http://over.shop/"); status != 200 {
			t.Fatalf("answer %d %q, want that of the new endpoint", status, body)
		}
	}
}
