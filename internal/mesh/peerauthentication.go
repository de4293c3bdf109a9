package mesh

import "reflect"

// PeerAuthentication says what inbound ports accept. Its key is
// PeerAuthentication/namespace/name.
type PeerAuthentication struct {
	Meta
	// Selector limits it to pods with these labels; nil is the whole namespace,
	// or the mesh if the namespace is the root namespace.
	Selector map[string]string
	Mode     MTLSMode
	// Ports override by the pod's port number; sorted by port.
	Ports []PortMTLS
}

// PortMTLS is the mode of one port.
type PortMTLS struct {
	Port int32
	Mode MTLSMode
}

// Equal implements Value.
func (p *PeerAuthentication) Equal(o Value) bool { return reflect.DeepEqual(Value(p), o) }
