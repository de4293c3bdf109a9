package rotate_test

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/slot"
)

func TestRootExpiryIsThatOfTheFirstToEnd(t *testing.T) {
	t.Parallel()
	later, err := ca.NewRoot("td", noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	set := newSet(t)
	end := float64(set.Current.Certificate().NotAfter.Unix())
	cases := map[string]struct {
		set  *slot.Set
		want float64
	}{
		"no authority yet":         {nil, math.NaN()},
		"one root":                 {set, end},
		"the next one ends later":  {&slot.Set{Current: set.Current, Next: later}, end},
		"the next one ends sooner": {&slot.Set{Current: later, Next: set.Current}, end},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holder := &slot.Holder{}
			if tc.set != nil {
				holder.Set(tc.set)
			}
			registry := prometheus.NewRegistry()
			registry.MustRegister(rotate.RootExpiry(holder))
			families, err := registry.Gather()
			if err != nil || len(families) != 1 {
				t.Fatalf("%d families, %v", len(families), err)
			}
			got := families[0].GetMetric()[0].GetGauge().GetValue()
			if got != tc.want && !(math.IsNaN(got) && math.IsNaN(tc.want)) {
				t.Errorf("it is %v, want %v", got, tc.want)
			}
		})
	}
}
