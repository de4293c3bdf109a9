// Package xds serves delta ADS: it says who connects, moves requests to the
// engine and writes its pushes, one goroutine of its own per stream, so that a
// slow proxy holds up nobody. It moves bytes and versions; what a resource means
// it does not know.
//
// A proxy may ask only as itself. On the secured address it proves its
// namespace and ServiceAccount by its SVID, and its Pod must agree; what it says
// about itself is not believed. On the plaintext development address it is.
package xds
