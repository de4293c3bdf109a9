// Package adsclient simulates Envoy as a client of delta ADS: what it asks for
// and when, what it keeps, and what it would warm. It has no transport: requests
// come out, responses go in, so that property tests, feature tests and benches
// share it.
package adsclient
