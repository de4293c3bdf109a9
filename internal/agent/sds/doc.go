// Package sds gives Envoy its secrets over a Unix socket: in come the
// workload's certificate with its key and the roots to trust, out go Envoy
// secrets, anew whenever they change. Keys live in memory only. Where they come
// from and when they change is not its business.
package sds
