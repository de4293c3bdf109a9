package translate_test

import (
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/freeport"
)

// A Sidecar takes a host away from a running proxy and gives it back; what it
// names goes on all the while.
func TestSidecarLimitsWhatAProxyReaches(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	pod(t, "127.0.1.91", port)
	pod(t, "127.0.1.92", port)
	const sidecar = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec:
  egress: [{hosts: ["./kept.shop.svc.cluster.local"]}]
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`
	l := goLive(t, "0.0.0.0_8080")
	l.set(t, true, append(service("kept", "10.96.0.91", port, "127.0.1.91"), service("taken", "10.96.0.92", port, "127.0.1.92")...)...)
	l.engine.Synced()
	sds := ads.Serve(t, nil, ads.NewSVID(t, "shop", "front"))
	proxy := envoy.Start(t, ads.Bootstrap("sidecar~10.244.0.10~front-1.shop~shop.svc.cluster.local", l.address, sds.Address()))
	caller := mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: "front-1"}
	for _, step := range []struct {
		limited bool
		taken   int
	}{{false, 200}, {true, 502}, {false, 200}, {true, 502}} {
		l.set(t, step.limited, sidecar)
		l.settled(t, proxy, caller)
		at := proxy.Listeners(t)["0.0.0.0_8080"]
		if status, body := get(t, at, "http://kept.shop/"); status != 200 {
			t.Errorf("limited %t: answer %d %q of the host that is named", step.limited, status, body)
		}
		if status, body := get(t, at, "http://taken.shop/"); status != step.taken {
			t.Errorf("limited %t: answer %d %q of the other host, want %d", step.limited, status, body, step.taken)
		}
		if held := strings.Contains(string(proxy.ConfigDump(t, "dynamic_active_clusters")), "taken.shop"); held == step.limited {
			t.Errorf("limited %t: the cluster of the other host is held: %t", step.limited, held)
		}
	}
}
