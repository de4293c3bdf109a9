package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// metrics are the engine's. Types are labelled by their short name.
type metrics struct {
	proxies, queue, leaves prometheus.Gauge
	classes                *prometheus.GaugeVec
	pushes, resources      *prometheus.CounterVec
	bytes, nacks, builds   *prometheus.CounterVec
	panics                 prometheus.Counter
	dirty                  prometheus.Counter
	turns, written, acks   prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "meshwright_xds_" + name, Help: help}, []string{"type"})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "meshwright_xds_" + name, Help: help})
	}
	times := func(name, help string) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{Name: "meshwright_xds_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)})
	}
	return &metrics{
		proxies:   gauge("proxies", "Proxies that are connected."),
		queue:     gauge("queue", "Proxies that have something to be sent and still write the last push."),
		leaves:    gauge("built_resources", "Built resources that are held."),
		classes:   f.NewGaugeVec(prometheus.GaugeOpts{Name: "meshwright_xds_classes", Help: "Sets of proxies that share a list of resources, by type."}, []string{"type"}),
		pushes:    counter("responses_total", "Responses sent, by type."),
		resources: counter("resources_total", "Resources sent, by type; removals not counted."),
		bytes:     counter("bytes_total", "Bytes of the responses sent, by type."),
		nacks:     counter("nacks_total", "Responses that a proxy rejected, by type."),
		builds:    counter("builds_total", "Resources built, by type."),
		panics:    f.NewCounter(prometheus.CounterOpts{Name: "meshwright_xds_broken_builds_total", Help: "Builds that broke and kept the last good value."}),
		dirty:     f.NewCounter(prometheus.CounterOpts{Name: "meshwright_xds_dirty_resources_total", Help: "Built resources that had read what changed."}),
		turns:     times("turn_seconds", "Time to apply changes and rebuild what read them."),
		written:   times("push_seconds", "Time from a change, as it came in, until all that it means for a proxy is written to it."),
		acks:      times("ack_seconds", "Time from when a response was handed over until its proxy answered."),
	}
}

// startAtZero lets a series begin before its first increment, which the increase
// that an alert asks for would not see otherwise.
func (m *metrics) startAtZero(t resource.TypeURL) { m.nacks.WithLabelValues(t.Short()) }

func (m *metrics) turn(d time.Duration) { m.turns.Observe(d.Seconds()) }

// wrote is told of a push that was written, and when the first change came that
// it is about; zero if it is about none.
func (m *metrics) wrote(now, came time.Time) {
	if !came.IsZero() {
		m.written.Observe(now.Sub(came).Seconds())
	}
}

func (m *metrics) built(t resource.TypeURL) { m.builds.WithLabelValues(t.Short()).Inc() }

func (m *metrics) nack(t resource.TypeURL) { m.nacks.WithLabelValues(t.Short()).Inc() }

func (m *metrics) sent(r *cache.Response) {
	t := r.Type.Short()
	m.pushes.WithLabelValues(t).Inc()
	m.resources.WithLabelValues(t).Add(float64(len(r.Resources)))
	m.bytes.WithLabelValues(t).Add(float64(r.Size()))
}

func (m *metrics) state(e *Engine) {
	m.proxies.Set(float64(len(e.streams)))
	m.leaves.Set(float64(e.leaves))
	for _, k := range e.kinds {
		m.classes.WithLabelValues(k.URL.Short()).Set(float64(len(k.classes)))
	}
}
