// Package ca signs: in come a public key, a SPIFFE ID and the time, out comes
// an X.509 certificate that stock Envoy accepts. It knows no clock, no
// Kubernetes, no network and no slots; who may have which ID was decided
// before it is called.
package ca
