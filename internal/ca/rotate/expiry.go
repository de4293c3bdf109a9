package rotate

import (
	"crypto/x509"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/metrics"
)

// RootExpiry is a metric: when the first of the mesh's roots ends, in seconds
// since 1970; not a number while there are none.
func RootExpiry(holder *slot.Holder) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: metrics.Namespace + "_ca_root_expiry_timestamp_seconds", Help: "When the first of the mesh's root certificates ends.",
	}, func() float64 {
		set, err := holder.Get()
		if err != nil {
			return math.NaN()
		}
		first := slices.MinFunc(set.Roots(), func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		return float64(first.NotAfter.Unix())
	})
}
