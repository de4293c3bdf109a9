//go:build e2e

package zlifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// calm is how long nothing may change: longer than every period of ours but
// those of certificates.
const calm = 20 * time.Second

func TestNothingIsWrittenAtRestButLeases(t *testing.T) {
	w := newWorld(t)
	namespace := w.Namespace(t, "istio-injection=enabled")
	w.ready(withIngress())
	w.Deploy(t, namespace, e2e.App{Name: "app"})
	// Kubernetes writes for a moment after the last Pod is Ready.
	before := w.versions()
	w.Eventually(t, func() error {
		time.Sleep(time.Second)
		now := w.versions()
		d := cmp.Diff(before, now)
		before = now
		if d != "" {
			return fmt.Errorf("not at rest:\n%s", d)
		}
		return nil
	})
	time.Sleep(calm)
	if d := cmp.Diff(before, w.versions()); d != "" {
		t.Errorf("within %s there were written (-before +after):\n%s", calm, d)
	}
}
