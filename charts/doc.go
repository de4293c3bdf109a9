// Package charts carries the Helm charts: mesh/<version>, one for each version
// that the operator can install, frozen when that version is released; and
// operator, the operator itself with the namespaces and rights of its operands,
// which is also installed with Helm alone. It has no behaviour.
package charts
