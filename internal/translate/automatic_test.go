package translate_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// holdsCluster reports whether Envoy has a cluster of the host.
func holdsCluster(t *testing.T, proxy *envoy.Proxy, host string) bool {
	t.Helper()
	return strings.Contains(string(proxy.ConfigDump(t, "dynamic_active_clusters")), "|"+host+".shop.svc")
}

// TestAutomaticScopeAsksForWhatIsCalled: a proxy gets what its application
// calls, with the first request, and its workload's next proxy begins with it.
func TestAutomaticScopeAsksForWhatIsCalled(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.95", port)
	l := goLive(t, "0.0.0.0_8080")
	l.engine.Apply([]mesh.Change{{Key: mesh.ConfigKey, Value: &mesh.Config{
		TrustDomain: "cluster.local", ClusterDomain: meshtest.Domain, RootNamespace: "mesh-system", MTLS: mesh.MTLSPermissive, Scope: mesh.ScopeAutomatic,
	}}})
	owned := func(name string) mesh.Change {
		return mesh.Change{
			Key:   mesh.Key{Kind: mesh.KindWorkload, Namespace: "shop", Name: name},
			Value: &mesh.Workload{Namespace: "shop", Name: name, Owner: "front", Meshed: true},
		}
	}
	l.engine.Apply([]mesh.Change{owned("front-1"), owned("front-2")})
	l.set(t, true, append(service("used", "10.96.0.95", port, "127.0.1.95"), service("unused", "10.96.0.96", port, "127.0.1.95")...)...)
	l.engine.Synced()
	sds := ads.Serve(t, nil, newSVID(t, "shop", "front"))
	first := envoy.Start(t, ads.Bootstrap("sidecar~10.244.0.10~front-1.shop~shop.svc.cluster.local", l.address, sds.Address()))
	at := func(proxy *envoy.Proxy) (address string) {
		eventually(t, func() string {
			if address = proxy.Listeners(t)["0.0.0.0_8080"]; address == "" {
				return "there is no listener"
			}
			return ""
		})
		return address
	}
	front := at(first)
	if holdsCluster(t, first, "used") {
		t.Fatal("the cluster is there before it is used")
	}
	for _, host := range []string{"used", "used.shop", "used.shop.svc.cluster.local:8080", "10.96.0.95"} {
		if status, body := get(t, front, "http://"+host+"/"); status != 200 {
			t.Errorf("answer %d %q of %s, which was never called before", status, body, host)
		}
	}
	if !holdsCluster(t, first, "used") || holdsCluster(t, first, "unused") {
		t.Error("the clusters held are not those used")
	}

	// What is not there is refused, until it is.
	if status, _ := get(t, front, "http://late.shop/"); status != 502 {
		t.Errorf("answer %d of a host that nobody has", status)
	}
	l.set(t, true, service("late", "10.96.0.97", port, "127.0.1.95")...)
	eventually(t, func() string {
		if status, body := get(t, front, "http://late.shop/"); status != 200 {
			return body
		}
		return ""
	})

	second := envoy.Start(t, ads.Bootstrap("sidecar~10.244.0.11~front-2.shop~shop.svc.cluster.local", l.address, sds.Address()))
	warm := at(second)
	if !holdsCluster(t, second, "used") || holdsCluster(t, second, "unused") {
		t.Error("the next proxy of the workload does not begin with what is used")
	}

	// Discovery goes away: what is known goes on, what is not is told so in time.
	l.stop()
	if status, body := get(t, warm, "http://used/"); status != 200 {
		t.Errorf("answer %d %q of a host that is known", status, body)
	}
	if status, body := get(t, warm, "http://unused/"); status != 504 || !strings.Contains(body, "discovery does not answer") {
		t.Errorf("answer %d %q of a host that nobody can tell of", status, body)
	}
	for name, n := range first.Stats(t, `update_rejected$`) {
		if n != 0 {
			t.Errorf("%s is %d\n%s", name, n, first.Log())
		}
	}
}

// TestAutomaticScopeRoutesAsFullModeDoes asks for every name that full mode
// knows, and for some that it does not.
func TestAutomaticScopeRoutesAsFullModeDoes(t *testing.T) {
	t.Parallel()
	more := `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wild, namespace: shop}
spec: {hosts: ["*.example.com"], http: [{route: [{destination: {host: back}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wide, namespace: shop}
spec: {hosts: ["*.shop.svc.cluster.local"], http: [{match: [{uri: {prefix: /wide}}], redirect: {authority: elsewhere}}, {route: [{destination: {host: front}}]}]}
`
	full := meshtest.ReadText(t, readFile(t, "testdata/shop.yaml")+more)
	automatic := meshtest.New(append(full.Changes(), mesh.Change{Key: mesh.ConfigKey, Value: &mesh.Config{
		TrustDomain: "cluster.local", ClusterDomain: meshtest.Domain, RootNamespace: "mesh-system", MTLS: mesh.MTLSPermissive,
		OutboundAllowAny: true, Scope: mesh.ScopeAutomatic,
	}})...)
	want := full.Resources(t, front)
	var asked []string
	for _, route := range want.Names(resource.Route) {
		if _, err := strconv.Atoi(route); err != nil {
			continue
		}
		hosts := []string{"nobody", "nobody.shop", "www.example.com", "example.com", "web-0.web", "web-0.back.shop"}
		for _, vh := range want.VirtualHosts(route) {
			for _, domain := range vh.GetDomains() {
				hosts = append(hosts, strings.Replace(domain, "*", "web-0", 1))
			}
		}
		for _, host := range hosts {
			asked = append(asked, route+"/"+host, route+"/"+host+":"+route)
		}
	}
	if len(asked) < 50 {
		t.Fatalf("only %d hosts are compared", len(asked))
	}
	got := automatic.Resources(t, front, asked...)
	for _, name := range asked {
		route, host, _ := strings.Cut(name, "/")
		for _, path := range []string{"/", "/wide", "/admin"} {
			request := httptest.NewRequest(http.MethodGet, "http://"+host+path, nil)
			if from, to := want.Call(route, request), got.Call(route, request); from != to {
				t.Errorf("%s%s on %s goes to %q, in full mode to %q", host, path, route, to, from)
			}
		}
	}
}
