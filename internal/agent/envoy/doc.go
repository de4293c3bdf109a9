// Package envoy runs one Envoy process and talks to its admin port: in come a
// bootstrap file and a few flags, out come its end, its readiness and its
// number of connections. It restarts nothing and decides nothing.
package envoy
