//go:build e2e

package traffic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// Counters of what discovery made an Envoy do. A listener is modified in every
// sidecar when a Pod comes or goes whose address tells who may speak first.
const (
	changes  = `^(cluster_manager\.cluster_(added|modified|removed)|listener_manager\.listener_(added|removed))$`
	modified = "listener_manager.listener_modified"
	// podsChanged are discovery and the operator, each gone and back.
	podsChanged = 4
)

func testOutage(t *testing.T, w *world) {
	settled(t, w)
	proxies := []*e2e.Proxy{
		w.Proxy(t, w.shop, client), w.Proxy(t, w.shop, "deployment/server"), w.Proxy(t, e2e.IngressNamespace, w.gateway(t)),
	}
	var before []map[string]int
	var listeners []int
	for _, proxy := range proxies {
		before = append(before, proxy.Stats(t, changes))
		listeners = append(listeners, proxy.Stats(t, modified)[modified])
	}
	discovery := strings.TrimSpace(w.Kubectl(t, "--namespace", e2e.MeshNamespace, "get", "deployment",
		"--selector", "meshwright.io/component=discovery", "--output", "name"))
	operator := []string{"--namespace", e2e.OperatorNamespace, "scale", "deployment/meshwright-operator"}
	w.Kubectl(t, append(operator, "--replicas=0")...)
	t.Cleanup(func() { w.Kubectl(w.all, append(operator, "--replicas=1")...) })
	w.Kubectl(t, "--namespace", e2e.OperatorNamespace, "wait", "pod", "--all", "--for=delete", "--timeout", e2e.Timeout.String())
	w.Kubectl(t, "--namespace", e2e.MeshNamespace, "scale", discovery, "--replicas=0")
	w.Kubectl(t, "--namespace", e2e.MeshNamespace, "wait", "pod", "--selector", "meshwright.io/component=discovery",
		"--for=delete", "--timeout", e2e.Timeout.String())

	noneLost(t, w.Get(t, w.shop, client, append(load, "-fresh", "http://server:8080/")...))

	w.Kubectl(t, append(operator, "--replicas=1")...)
	w.WaitRollout(t, e2e.OperatorNamespace, "deployment/meshwright-operator")
	w.Eventually(t, func() error { // it puts right what drifted
		if n := w.Kubectl(t, "--namespace", e2e.MeshNamespace, "get", discovery, "--output", "jsonpath={.status.readyReplicas}"); n != "1" {
			return fmt.Errorf("%q replicas of discovery are ready, want 1", n)
		}
		return nil
	})
	settled(t, w)
	for i, proxy := range proxies {
		if diff := cmp.Diff(before[i], proxy.Stats(t, changes)); diff != "" {
			t.Errorf("%s was sent what it had (-before +after):\n%s", proxy.Name, diff)
		}
		if n := proxy.Stats(t, modified)[modified] - listeners[i]; n > podsChanged {
			t.Errorf("%s was sent %d listeners, want at most %d, one for each Pod that came or went", proxy.Name, n, podsChanged)
		}
	}
	w.settle(t, w.proven, "http://server:8080/")
}

// gateway is the Pod of the ingress gateway.
func (w *world) gateway(t *testing.T) string {
	t.Helper()
	return "pod/" + w.pods(t, e2e.IngressNamespace, "istio=ingressgateway")[0].Name
}

// proxyState is one of `meshwright proxies --output json`.
type proxyState struct {
	Name, Namespace string
	Synced          bool
	Nacks           int
}

// settled waits until discovery knows every proxy that runs and all are in
// sync, and returns them.
func settled(t *testing.T, w *world) []proxyState {
	t.Helper()
	var list struct{ Items []proxyState }
	w.Eventually(t, func() error {
		printed, err := w.Meshwright(t, "proxies", "--output", "json")
		if err != nil {
			return err
		}
		list.Items = nil
		if err := json.Unmarshal([]byte(printed), &list); err != nil {
			return err
		}
		connected := map[string]bool{}
		for _, p := range list.Items {
			if !p.Synced {
				return fmt.Errorf("%s.%s is not in sync", p.Name, p.Namespace)
			}
			connected[p.Namespace+"/"+p.Name] = true
		}
		for _, pod := range w.proxies(t) {
			if !connected[pod] {
				return fmt.Errorf("the proxy of %s is not connected", pod)
			}
		}
		return nil
	})
	return list.Items
}
