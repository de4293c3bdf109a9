// Package meshtest builds Envoy resources from objects without an engine: YAML
// goes in, what one proxy gets comes out, checked for what every proxy must be
// able to rely on. Nothing is cached, so what it returns is what an engine must
// end with.
package meshtest
