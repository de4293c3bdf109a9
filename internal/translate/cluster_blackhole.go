//go:build !faulty

package translate

// blackHoleTimeout is the connect timeout of the cluster without endpoints,
// which never connects. It must be more than nothing, or Envoy refuses the
// cluster.
const blackHoleTimeout = connectTimeout
