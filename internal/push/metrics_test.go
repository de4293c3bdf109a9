package push_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/view"
)

// TestRejectionsAreCountedFromZero is what lets an alert see the first of them:
// a series that begins with one has no increase.
func TestRejectionsAreCountedFromZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	push.New(push.Config{Store: mesh.NewStore(view.Indexes()), Types: translate.Types(), Registry: registry})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for _, family := range families {
		if family.GetName() == "meshwright_xds_nacks_total" {
			begun = len(family.GetMetric())
		}
	}
	if want := len(translate.Types()); begun != want {
		t.Errorf("%d types are counted, want %d", begun, want)
	}
}
