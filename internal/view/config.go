package view

import "github.com/meshwright/meshwright/internal/mesh"

// defaults hold until a Config is stored. They are Istio's.
var defaults = &mesh.Config{
	TrustDomain:      "cluster.local",
	ClusterDomain:    "cluster.local",
	RootNamespace:    "mesh-system",
	MTLS:             mesh.MTLSPermissive,
	OutboundAllowAny: true,
}

// Config is what the whole mesh agrees on.
func Config(l mesh.Lookup) *mesh.Config {
	if c, ok := l.Get(mesh.ConfigKey).(*mesh.Config); ok {
		return c
	}
	return defaults
}
