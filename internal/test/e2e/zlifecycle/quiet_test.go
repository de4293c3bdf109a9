//go:build e2e

package zlifecycle

import (
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
	before := w.atRest()
	time.Sleep(calm)
	if d := cmp.Diff(before, w.versions()); d != "" {
		t.Errorf("within %s there were written (-before +after):\n%s", calm, d)
	}
}
