package mesh

import "reflect"

// Sidecar limits what the sidecars of some workloads hold. Its key is
// Sidecar/namespace/name.
type Sidecar struct {
	Meta
	// Selector limits it to pods with these labels; nil is the whole namespace,
	// or the mesh if the namespace is the root namespace.
	Selector map[string]string
	// Egress says which hosts are held; nil is all of them. It is sorted and has
	// no entry twice.
	Egress []Egress
	// Outbound is what becomes of unknown destinations; "" is as the mesh says.
	Outbound OutboundPolicy
}

// Equal implements Value.
func (s *Sidecar) Equal(o Value) bool { return reflect.DeepEqual(Value(s), o) }

// Egress is one pattern of hosts. A host is held if a pattern includes it and
// none excludes it.
type Egress struct {
	// Namespace is that of the service or VirtualService: a name, "." for that of
	// the proxy, or "*".
	Namespace string
	// Host is a full name, or a wildcard.
	Host    string
	Exclude bool
}

// String is the pattern as users write it.
func (e Egress) String() string {
	if e.Exclude {
		return "~" + e.Namespace + "/" + e.Host
	}
	return e.Namespace + "/" + e.Host
}

// OutboundPolicy says what becomes of traffic to unknown destinations.
type OutboundPolicy string

// The policies; "" is as the mesh says.
const (
	OutboundAllowAny     OutboundPolicy = "AllowAny"
	OutboundRegistryOnly OutboundPolicy = "RegistryOnly"
)
