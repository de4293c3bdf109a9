// Package alerts holds no code: its test runs the alerts of the operator's chart
// in Prometheus's own engine. It is a module of its own, because nothing else
// needs that engine.
package alerts
