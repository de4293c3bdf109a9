// Package svid buys the workload's certificate: in come a ServiceAccount token
// and the roots to trust, out comes an Identity, again and again before the
// last one ends. The private key is made here and never leaves memory. It
// speaks Istio's certificate service and knows nothing of Envoy.
package svid
