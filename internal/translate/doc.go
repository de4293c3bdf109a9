// Package translate speaks Envoy: given what holds for a proxy (package view) it
// builds clusters, endpoint assignments, listeners, route configurations,
// virtual hosts and secrets. Each is a pure function of what it reads; Types is
// the table of them. One file for each Envoy noun. The package has no clock, no
// flag, no logger and no client, and takes no order from a map.
//
// Guarantees:
//   - the same mesh and the same answers give the same message, byte for byte;
//   - a message never names a cluster that the proxy does not get;
//   - the virtual hosts of a route configuration have no domain in common, and
//     there is always one for "*".
package translate
