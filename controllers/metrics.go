package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// The operator's own metrics, beside controller-runtime's.
var (
	installInfo = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_info", Help: "One for each MeshInstall, with what is active.",
	}, []string{"name", "version", "profile", "revision"})
	installCondition = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_condition", Help: "1 when the condition has this status.",
	}, []string{"name", "type", "status"})
	driftCorrections = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "meshinstall_drift_corrections_total", Help: "Objects that somebody else changed and that were put right.",
	}, []string{"kind"})
	applySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "meshinstall_apply_duration_seconds", Help: "Time to bring all objects up to date once.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	})
	renderSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "meshinstall_render_duration_seconds", Help: "Time to render one MeshInstall.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	})
)

// Collectors are the operator's own metrics, by which alerts and dashboards are
// checked. NewManager registers them.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{installInfo, installCondition, driftCorrections, applySeconds, renderSeconds}
}

// stopwatch starts a stopwatch; what it returns stops it.
func stopwatch(h prometheus.Histogram) func() {
	start := time.Now()
	return func() { h.Observe(time.Since(start).Seconds()) }
}

func setMetrics(install *v1alpha1.MeshInstall, status *v1alpha1.MeshInstallStatus) {
	forgetMetrics(install.Name)
	installInfo.WithLabelValues(install.Name, status.Version, string(install.Spec.Profile), status.ActiveRevision).Set(1)
	for _, c := range status.Conditions {
		installCondition.WithLabelValues(install.Name, c.Type, string(c.Status)).Set(1)
	}
}

func forgetMetrics(name string) {
	installInfo.DeletePartialMatch(prometheus.Labels{"name": name})
	installCondition.DeletePartialMatch(prometheus.Labels{"name": name})
}
