package translate_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	envoyparts "github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// patience bounds waits; the machine may be building at the same time.
const patience = time.Minute

var (
	front  = mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: "front-1"}
	router = mesh.Proxy{Type: mesh.ProxyRouter, Namespace: "mesh-ingress", Pod: "edge"}
)

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// onLoopback binds a listener to a free port of loopback, whatever it would
// bind to, and whether it would bind or not.
func onLoopback(l *listenerv3.Listener) {
	l.Address = envoyparts.Address("127.0.0.1", 0)
	l.BindToPort = nil
	l.UseOriginalDst = nil
}

// eventually calls done until it returns "", and ends the test with what it
// says when the time is over.
func eventually(t testing.TB, done func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		why := done()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestEnvoyTakesEverything(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]mesh.Proxy{
		"a sidecar with no service":       {Type: mesh.ProxySidecar, Namespace: "other"},
		"a sidecar that serves HTTP":      front,
		"a sidecar that serves MySQL":     {Type: mesh.ProxySidecar, Namespace: "shop", Pod: "db-0"},
		"a sidecar that serves anything":  {Type: mesh.ProxySidecar, Namespace: "shop", Pod: "any-0"},
		"a sidecar of a headless service": {Type: mesh.ProxySidecar, Namespace: "shop", Pod: "web-0"},
		"a gateway":                       router,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources := meshtest.ReadText(t, readFile(t, "testdata/shop.yaml")).Resources(t, p)
			takes(t, resources)
		})
	}
}

// takes runs an Envoy with all resources of a proxy and fails if it rejects one.
func takes(t *testing.T, resources meshtest.Resources) {
	t.Helper()
	for name, m := range resources[resource.Listener] {
		l := proto.Clone(m).(*listenerv3.Listener)
		if l.GetBindToPort() == nil && l.GetInternalListener() == nil {
			l.Address = envoyparts.Address("127.0.0.1", 0)
		}
		resources[resource.Listener][name] = l
	}
	server := ads.Serve(t, resources, ads.NewSVID(t, "shop", "front"))
	proxy := envoy.Start(t, server.Bootstrap("test"))
	want := map[string]int64{
		"listener_manager.total_listeners_active":       int64(len(resources[resource.Listener])),
		"listener_manager.lds.update_rejected":          0,
		"cluster_manager.cds.update_rejected":           0,
		"cluster_manager.active_clusters":               int64(len(resources[resource.Cluster])) + 2,
		"listener_manager.listener_create_failure":      0,
		"cluster_manager.warming_clusters":              0,
		"listener_manager.total_listeners_warming":      0,
		"listener_manager.listener_in_place_updated":    0,
		"listener_manager.total_filter_chains_draining": 0,
	}
	eventually(t, func() string {
		if r := server.Rejected(); len(r) > 0 {
			t.Fatalf("Envoy rejects %q", r)
		}
		stats := proxy.Stats(t, `^(listener|cluster)_manager\.`)
		for k, v := range want {
			if stats[k] != v {
				return fmt.Sprintf("%s is %d, want %d", k, stats[k], v)
			}
		}
		for k, v := range proxy.Stats(t, `update_rejected$`) {
			if v != 0 {
				t.Fatalf("%s is %d", k, v)
			}
		}
		return ""
	})
}
