//go:build e2e

package traffic

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// proxies are the running Pods that have one, as namespace/name: sidecars of
// the tests' namespaces and gateways.
func (w *world) proxies(t *testing.T) []string {
	t.Helper()
	isProxy := func(c corev1.Container) bool { return c.Name == "istio-proxy" }
	var out []string
	for _, pod := range w.pods(t, "", "") {
		if pod.DeletionTimestamp == nil && (slices.ContainsFunc(pod.Spec.InitContainers, isProxy) || slices.ContainsFunc(pod.Spec.Containers, isProxy)) {
			out = append(out, pod.Namespace+"/"+pod.Name)
		}
	}
	return out
}

func testNothingRefused(t *testing.T, w *world) {
	for _, p := range settled(t, w) {
		if p.Nacks != 0 {
			t.Errorf("discovery counts %d answers of %s.%s that refuse something", p.Nacks, p.Name, p.Namespace)
		}
	}
	proxies := w.proxies(t)
	if len(proxies) < 10 {
		t.Errorf("there are only the proxies %q", proxies)
	}
	for _, pod := range proxies {
		namespace, name, _ := strings.Cut(pod, "/")
		stats := w.Proxy(t, namespace, "pod/"+name).Stats(t, "update_rejected")
		if len(stats) == 0 {
			t.Errorf("%s has no counters of updates", pod)
		}
		for stat, n := range stats {
			if n != 0 {
				t.Errorf("%s of %s is %d", stat, pod, n)
			}
		}
	}
}
