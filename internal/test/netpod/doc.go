// Package netpod makes pods that are network namespaces on a network of their
// own, with the rules of capture and a real Envoy in them: a pod as the proxy
// sees it, without a node. It needs root.
package netpod
