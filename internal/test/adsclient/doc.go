// Package adsclient simulates Envoy as a client of delta ADS: what it asks for
// and when, what it keeps, and what it would warm. Client has no transport:
// requests come out, responses go in. Session carries a Client over gRPC and
// counts what was on the wire. Property tests, feature tests and benches share
// them.
package adsclient
