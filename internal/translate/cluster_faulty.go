//go:build faulty

package translate

// blackHoleTimeout is nothing: Envoy refuses the cluster. A test of updates
// builds a version with this fault, which no request notices and every proxy
// complains of.
const blackHoleTimeout = 0
