package resource

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/mesh"
)

// TypeURL names an xDS resource type, as type.googleapis.com/….
type TypeURL string

// The types that are served.
const (
	Cluster     TypeURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	Endpoints   TypeURL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	Listener    TypeURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
	Route       TypeURL = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	VirtualHost TypeURL = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
	Secret      TypeURL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
)

// Short is the last word of the type, as Cluster: for people and metrics.
func (t TypeURL) Short() string { return string(t[strings.LastIndexByte(string(t), '.')+1:]) }

// Name is one resource: its type and the name on the wire.
type Name struct {
	Type TypeURL
	Name string
}

// Built is the outcome of a Build.
type Built struct {
	// Msg is the resource; nil if this proxy does not have this name.
	Msg proto.Message
	// Refs are the resources that Msg names. They decide the order of pushes
	// (what is named goes first, and is removed last).
	Refs []Name
}

// Build makes one resource for the proxies that answer alike. It is pure: the
// same answers give the same message, field by field and in the same order.
type Build func(r mesh.Reader, name string) Built

// Type is one row of the table of resource types.
type Type struct {
	URL TypeURL
	// Spawn returns the names of this type that the value of a stored key gives
	// rise to. It must return a name whenever that value could make Build give
	// something for it; several keys may give the same name.
	Spawn func(l mesh.Lookup, k mesh.Key) []string
	// SpawnFrom lists the stored kinds that Spawn must be called for.
	SpawnFrom []mesh.Kind
	// Static names exist whatever the mesh holds.
	Static []string
	// Scoped reports whether a proxy with a mesh.Scope holds the name only if
	// one of the scope's keys gives rise to it. nil: none of the type.
	Scoped func(name string) bool
	Build  Build
	// Wildcard types are sent whole to a client that asks for nothing by name
	// (clusters, listeners); of the others a client gets what it asks for.
	Wildcard bool
	// Within, if set, is the type whose names are the part before the first
	// "/" of names of this type. A client that asked for the outer name gets
	// all inner ones unasked (virtual hosts of a route configuration).
	Within TypeURL
}
