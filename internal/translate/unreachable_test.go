package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/test/meshtest"
)

// service is a Service without a proxy and an EndpointSlice for each endpoint.
func service(name, ip string, port int, endpoints ...string) []string {
	out := []string{fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop}
spec:
  clusterIP: %s
  selector: {app: %[1]s}
  ports: [{name: http, port: 8080, targetPort: %[3]d}]
`, name, ip, port)}
	for i, endpoint := range endpoints {
		out = append(out, fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s-%d, namespace: shop, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[3]d}]
endpoints: [{addresses: [%[4]s]}]
`, name, i, port, endpoint))
	}
	return out
}

func TestUnreachableEndpointIsLeftOutUnlessItIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.81", port)
	// Of pair's endpoints one answers, of single's none.
	objects := append(service("pair", "10.96.0.81", port, "127.0.1.81", "127.0.1.82"), service("single", "10.96.0.83", port, "127.0.1.83")...)
	m := meshtest.ReadText(t, strings.Join(objects, "---"))
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

// An endpoint is left out while there is another, which then goes: as when a
// new pod is slow and the old one is deleted.
func TestEndpointThatIsLeftOutServesOnceNoOtherIsThere(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.84", port)
	objects := service("over", "10.96.0.84", port, "127.0.1.84", "127.0.1.85")
	l := goLive(t, "0.0.0.0_8080")
	l.set(t, true, objects...)
	l.engine.Synced()
	sds := ads.Serve(t, nil, ads.NewSVID(t, "shop", "front"))
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
	l.set(t, false, objects[1])
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
