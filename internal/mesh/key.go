package mesh

import "strings"

// Kind says what a Key names: a stored value, a bucket of an index, or a
// derived value. Kinds are words, so that they read well in logs and goldens.
type Kind string

// Stored kinds: ingest puts these.
const (
	KindService            Kind = "Service"
	KindEndpointSlice      Kind = "EndpointSlice"
	KindWorkload           Kind = "Workload"
	KindNode               Kind = "Node"
	KindVirtualService     Kind = "VirtualService"
	KindDestinationRule    Kind = "DestinationRule"
	KindGateway            Kind = "Gateway"
	KindPeerAuthentication Kind = "PeerAuthentication"
	KindCredential         Kind = "Credential"
	KindSidecar            Kind = "Sidecar"
	KindConfig             Kind = "Config"
)

// Key names one value, one bucket of an index, or one derived value.
// Namespace and Name are as in Kubernetes for stored kinds; buckets and derived
// kinds document theirs. Keys are comparable and cheap to copy.
type Key struct {
	Kind      Kind
	Namespace string
	Name      string
}

// String is Kind/namespace/name, for logs and goldens.
func (k Key) String() string {
	return string(k.Kind) + "/" + k.Namespace + "/" + k.Name
}

// ParseKey is the way back from String.
func ParseKey(text string) Key {
	kind, rest, _ := strings.Cut(text, "/")
	namespace, name, _ := strings.Cut(rest, "/")
	return Key{Kind: Kind(kind), Namespace: namespace, Name: name}
}

// Compare orders keys by kind, namespace and name.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(string(k.Kind), string(o.Kind)); c != 0 {
		return c
	}
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(k.Name, o.Name)
}
