package mesh

import "reflect"

// Workload is one pod, as far as the mesh cares. Its key is
// Workload/namespace/pod.
type Workload struct {
	Namespace      string
	Name           string
	IPs            []string
	Labels         map[string]string
	ServiceAccount string
	Node           string
	// Meshed is true if a sidecar or gateway proxy of the mesh runs in it.
	Meshed bool
	// Router is true if that proxy is a gateway: it sends the mesh's TLS, but
	// accepts what its Gateways say. Such a pod is Meshed too.
	Router bool
	// Leaving is true from the moment at which somebody deleted it.
	Leaving bool
	// HostNetwork pods share the node's address.
	HostNetwork bool
	// Ports are the container ports by name, for named target ports.
	Ports []NamedPort
	// Owner is the controller's name (Deployment, StatefulSet, …), for metadata.
	Owner string
}

// NamedPort is a container port that has a name.
type NamedPort struct {
	Name   string
	Number int32
}

// Equal implements Value.
func (w *Workload) Equal(o Value) bool { return reflect.DeepEqual(Value(w), o) }

// Node is a cluster node's place. Its key is Node//name.
type Node struct {
	Name                  string
	Region, Zone, Subzone string
}

// Equal implements Value.
func (n *Node) Equal(o Value) bool { return reflect.DeepEqual(Value(n), o) }
