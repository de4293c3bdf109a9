// Package bootstrap writes the configuration that Envoy starts with: in comes
// what the agent knows of its pod and of discovery, out comes one Envoy
// bootstrap as JSON (Envoy reads YAML 1.1, where a node called n is false). It
// is pure: no environment, no file, no clock.
package bootstrap
