//go:build e2e

package traffic

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func testListenerModel(t *testing.T, w *world) {
	service, err := w.Client.CoreV1().Services(w.shop).Get(t.Context(), "server", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	proxy := w.Proxy(t, w.shop, client)
	listeners := proxy.Listeners(t)
	for name, binds := range map[string]bool{
		"virtualOutbound":                true,
		"virtualInbound":                 true,
		"0.0.0.0_8080":                   false,
		service.Spec.ClusterIP + "_9000": false,
	} {
		if l, found := listeners[name]; !found || l.Binds() != binds {
			t.Errorf("listener %s: found %t, binds %t; want it, and that it binds: %t", name, found, l.Binds(), binds)
		}
	}
	for name, l := range listeners {
		if l.Binds() && name != "virtualOutbound" && name != "virtualInbound" {
			t.Errorf("listener %s has a socket, want that connections are handed over to it", name)
		}
	}
	// 8080 and 9000 are the application's; 15000, 15020, 15021 and 15090 are
	// for Envoy's and the agent's own affairs.
	listening := strings.Fields(w.Kubectl(t, "--namespace", w.shop, "exec", client, "--container", "app", "--", "/usr/local/bin/app", "listening"))
	if diff := cmp.Diff([]string{"8080", "8081", "9000", "9001", "15000", "15001", "15006", "15020", "15021", "15090"}, listening); diff != "" {
		t.Errorf("ports that are listened on in the Pod (-want +have):\n%s", diff)
	}

	host := "server." + w.shop + ".svc.cluster.local"
	clusters := proxy.Clusters(t)
	for _, want := range []string{
		"outbound|8080||" + host, "outbound|9000||" + host, "inbound|8080||", "inbound|9000||",
		"PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster",
	} {
		if !slices.Contains(clusters, want) {
			t.Errorf("there is no cluster %s in %q", want, clusters)
		}
	}
	// discovery-root is beside them: what the proxy trusts discovery by.
	for _, want := range []string{"default", "ROOTCA"} {
		if secrets := proxy.Secrets(t); !slices.Contains(secrets, want) {
			t.Errorf("there is no active secret %s in %q", want, secrets)
		}
	}
}
