package controllers

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/install/rollout"
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
	revisionProxies = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_revision_proxies", Help: "Proxies connected to a revision, as counted by the last update.",
	}, []string{"name", "revision"})
	updateStep = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_update_step", Help: "The step of the update under way.",
	}, []string{"name"})
	updateGate = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_update_gate", Help: "1 for each gate of the step under way, with whether it is open.",
	}, []string{"name", "gate", "ok"})
	workloads = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_workloads", Help: "Owners of pods in the update under way, by how far they are, and owners of pods that lack a sidecar (unmeshed).",
	}, []string{"name", "state"})
	rollbacks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "meshinstall_rollbacks_total", Help: "Updates that were rolled back, by the gate that failed.",
	}, []string{"reason"})
	endOfLife = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meshinstall_version_end_of_life_timestamp_seconds", Help: "When support of the active version ends, where that is set.",
	}, []string{"name", "version"})
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
	return []prometheus.Collector{
		installInfo, installCondition, driftCorrections, applySeconds, renderSeconds,
		revisionProxies, updateStep, updateGate, workloads, rollbacks, endOfLife,
	}
}

// startAtZero lets the series of these kinds, and those of rollbacks, begin before
// their first increment, which a rate would not see otherwise. Gates that are
// queries begin when they are first measured.
func startAtZero(kinds []schema.GroupVersionKind) {
	for _, kind := range kinds {
		driftCorrections.WithLabelValues(kind.Kind)
	}
	rollbacks.WithLabelValues(v1alpha1.HistoryReasonNotUp)
	wish := &v1alpha1.Gates{
		ControlPlaneReady: ptr.To(true), ProxiesConnected: ptr.To[v1alpha1.Ratio]("1"), ConfigAcknowledged: ptr.To[v1alpha1.Ratio]("1"),
		PushLatencyP99: &metav1.Duration{}, WorkloadsReady: ptr.To(true), InjectionDryRun: ptr.To(true),
	}
	for _, gate := range rollout.Gates(wish, "", rollout.Signals{Workloads: &v1alpha1.WorkloadsStatus{}, Tried: true}) {
		rollbacks.WithLabelValues(gate.Name)
	}
}

// stopwatch starts a stopwatch; what it returns stops it.
func stopwatch(h prometheus.Histogram) func() {
	start := time.Now()
	return func() { h.Observe(time.Since(start).Seconds()) }
}

func setMetrics(install *v1alpha1.MeshInstall, status *v1alpha1.MeshInstallStatus) {
	forgetMetrics(install.Name)
	installInfo.WithLabelValues(install.Name, status.Version, string(install.Spec.Profile), status.ActiveRevision).Set(1)
	if end, ok := plan.Carried.EndOfLife(status.Version); ok {
		endOfLife.WithLabelValues(install.Name, status.Version).Set(float64(end.Unix()))
	}
	for _, c := range status.Conditions {
		installCondition.WithLabelValues(install.Name, c.Type, string(c.Status)).Set(1)
	}
	for _, r := range status.Revisions {
		if r.Proxies != nil {
			revisionProxies.WithLabelValues(install.Name, r.Name).Set(float64(*r.Proxies))
		}
	}
	unmeshed := int32(0)
	if status.Unmeshed != nil {
		unmeshed = status.Unmeshed.Workloads
	}
	workloads.WithLabelValues(install.Name, "unmeshed").Set(float64(unmeshed))
	if u := status.Update; u != nil {
		setUpdateMetrics(install.Name, u)
	}
}

func setUpdateMetrics(name string, u *v1alpha1.UpdateStatus) {
	updateStep.WithLabelValues(name).Set(float64(u.Step))
	for _, g := range u.Gates {
		updateGate.WithLabelValues(name, g.Name, strconv.FormatBool(g.OK)).Set(1)
		rollbacks.WithLabelValues(g.Name)
	}
	if w := u.Workloads; w != nil {
		for state, n := range map[string]int32{"total": w.Total, "moved": w.Moved, "waiting": w.Waiting, "skipped": w.Skipped, "failed": w.Failed} {
			workloads.WithLabelValues(name, state).Set(float64(n))
		}
	}
}

func forgetMetrics(name string) {
	for _, v := range []*prometheus.GaugeVec{installInfo, installCondition, revisionProxies, updateStep, updateGate, workloads, endOfLife} {
		v.DeletePartialMatch(prometheus.Labels{"name": name})
	}
}
