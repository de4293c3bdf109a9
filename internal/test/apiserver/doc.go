// Package apiserver runs a real kube-apiserver and etcd on loopback for tests,
// with the custom resources that a test asks for. Nothing else of Kubernetes
// runs: no controller acts on what a test creates, no Pod starts. The programs
// come from the cache (internal/test/assets).
package apiserver
