// Package envoy makes the small parts that Envoy resources are put together
// from: addresses, durations, config sources, transport sockets, filters. Plain
// values come in, messages go out. It knows no mesh, and each part that it makes
// is valid by itself.
package envoy
