// Command bench measures what a discovery server costs: bytes, resources, time
// and CPU for each kind of change, seen by simulated proxies that behave as
// Envoy does on delta ADS. It makes a mesh of a given size from a seed, starts a
// server with it (or is given a running one), connects proxies, makes changes
// one after the other and prints a table.
//
// The server is always a process of its own, so that its CPU and memory are its
// own. The proxies share the machine with it: on few cores they slow it down,
// which shows in latency and not in CPU.
package main
