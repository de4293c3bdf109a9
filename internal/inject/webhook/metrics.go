package webhook

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The names are Istio's.
var (
	requests = counter("sidecar_injection_requests_total", "Pods that the API server asked about.")
	injected = counter("sidecar_injection_success_total", "Pods that were injected.")
	failures = counter("sidecar_injection_failure_total", "Pods that were refused.")
	skipped  = counter("sidecar_injection_skip_total", "Pods that were left as they are.")
)

func counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	metrics.Registry.MustRegister(c)
	return c
}
