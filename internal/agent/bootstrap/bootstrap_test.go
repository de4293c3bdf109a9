package bootstrap_test

import (
	"bytes"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/golden"
)

func config(change func(*bootstrap.Config)) bootstrap.Config {
	c := bootstrap.Config{
		Role: bootstrap.Sidecar, Pod: "back-v1-6d4f-x2x2x", Namespace: "shop", ServiceAccount: "back",
		Workload: "back-v1", Owner: "kubernetes://apis/apps/v1/namespaces/shop/deployments/back-v1",
		Labels:      map[string]string{"app": "back", "version": "v1"},
		Annotations: map[string]string{"note": "a \"quoted\"\nline", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
		IP:          "10.1.2.3", TrustDomain: "cluster.local", ClusterID: "Kubernetes", ClusterDomain: "cluster.local",
		Revision: "main-0123456789", Version: "v0.1.0", Discovery: "meshwright-discovery.mesh-system.svc:15012",
		SDSSocket: "/etc/istio/proxy/sds.sock", Concurrency: 2, Ports: bootstrap.DefaultPorts(),
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestBootstrapOfASidecar(t *testing.T) {
	t.Parallel()
	b, err := bootstrap.Bootstrap(config(nil))
	if err != nil {
		t.Fatal(err)
	}
	golden.Proto(t, "testdata/sidecar.yaml", []*bootstrapv3.Bootstrap{b})
}

func TestEnvoyAcceptsTheBootstrap(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bootstrap.Config){
		"of a sidecar":                 nil,
		"of a gateway":                 func(c *bootstrap.Config) { c.Role = bootstrap.Router },
		"of an IPv6 pod":               func(c *bootstrap.Config) { c.IP = "fd00::1" },
		"with discovery at an address": func(c *bootstrap.Config) { c.Discovery = "10.0.0.1:15012" },
		"of a namespace called n":      func(c *bootstrap.Config) { c.Namespace = "n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := bootstrap.JSON(config(change))
			if err != nil {
				t.Fatal(err)
			}
			envoy.Validate(t, text)
			again, err := bootstrap.JSON(config(change))
			if err != nil || !bytes.Equal(text, again) {
				t.Errorf("the same config gives other bytes (%v)", err)
			}
		})
	}
}

func TestBootstrapSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*bootstrap.Config)
		err    string
	}{
		"no role":                   {func(c *bootstrap.Config) { c.Role = "" }, "role"},
		"no address":                {func(c *bootstrap.Config) { c.IP = "" }, "pod address"},
		"no ServiceAccount":         {func(c *bootstrap.Config) { c.ServiceAccount = "" }, "service account"},
		"no pod name":               {func(c *bootstrap.Config) { c.Pod = "" }, "pod name"},
		"discovery without port":    {func(c *bootstrap.Config) { c.Discovery = "discovery" }, "discovery address"},
		"discovery at a named port": {func(c *bootstrap.Config) { c.Discovery = "discovery:xds" }, "discovery address"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := bootstrap.JSON(config(tc.change)); err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want one with %q", err, tc.err)
			}
		})
	}
}

func TestNodeID(t *testing.T) {
	t.Parallel()
	c := config(nil)
	if got, want := c.NodeID(), "sidecar~10.1.2.3~back-v1-6d4f-x2x2x.shop~shop.svc.cluster.local"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
