// Package assets knows the programs that tests and the node run but that are
// not ours (Kubernetes, etcd, Envoy, containerd, CoreDNS): which source each
// comes from, the key of that source, and where in the user's cache the built
// program lies. It builds nothing itself: `make assets` does, by way of
// hack/cluster, which shares this package so that both agree on every path.
package assets
