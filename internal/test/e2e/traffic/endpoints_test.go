//go:build e2e

package traffic

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// A load of 20 s.
var load = []string{"-n", "400", "-every", "50ms"}

func testEndpoints(t *testing.T, w *world) {
	const url = "http://pool:8080/"
	w.Deploy(t, w.shop, e2e.App{Name: "pool"})
	w.settle(t, answers("v1"), url)
	w.Kubectl(t, "--namespace", w.shop, "scale", "deployment/pool", "--replicas=3")
	w.WaitRollout(t, w.shop, "deployment/pool")
	w.Eventually(t, func() error {
		pods := map[string]bool{}
		for _, result := range w.Get(t, w.shop, client, "-n", "60", url) {
			pods[result.Body.Pod] = true
		}
		if len(pods) != 3 {
			return fmt.Errorf("requests went to %v, want all three Pods", pods)
		}
		return nil
	})

	wait := w.Load(t, w.shop, client, append(load, url)...)
	gone := w.pods(t, w.shop, "app=pool")[0].Name
	w.Kubectl(t, "--namespace", w.shop, "delete", "pod", gone)
	noneLost(t, wait())
	for _, result := range w.Get(t, w.shop, client, "-n", "60", url) {
		if result.Body.Pod == gone {
			t.Fatalf("result %s of a Pod that was deleted", result)
		}
	}
}

// noneLost checks that every request was answered.
func noneLost(t *testing.T, results []e2e.Result) {
	t.Helper()
	for i, result := range results {
		if result.Status != http.StatusOK {
			t.Errorf("request %d of %d: %s, want 200", i, len(results), result)
		}
	}
}
