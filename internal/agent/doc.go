// Package agent is the one process beside Envoy in a pod: in come the pod's
// facts and a token, out come an Envoy that has a certificate and knows
// discovery, answers for kubelet and Prometheus, and a shutdown that drains.
// It is not on the path of configuration, and has no Kubernetes client.
package agent
