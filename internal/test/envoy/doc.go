// Package envoy runs the stock Envoy on loopback for tests, with a bootstrap
// that the test gives, and reads what the running proxy says of itself:
// configuration, listeners, counters. The program comes from the cache
// (internal/test/assets).
package envoy
