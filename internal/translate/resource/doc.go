// Package resource is the contract between translate, push and xds: what an
// Envoy xDS resource is called, and the form of the pure functions that build
// it. It knows the reader and protobuf messages, no Envoy noun and no stream.
package resource
