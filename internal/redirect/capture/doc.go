// Package capture turns the traffic annotations of a pod into the rules that
// lead its TCP connections through its proxy. Annotations come in; a ruleset
// goes out, as a value and as nft text. It never touches the kernel: package
// redirect writes what this package works out.
//
// Names and meaning of the annotations, and the order of the rules, are
// Istio's (traffic.sidecar.istio.io/*, istio-iptables in REDIRECT mode).
package capture
