package mesh

import "reflect"

// Protocol is what a service port speaks, as far as it was declared.
type Protocol string

// The protocols. Auto is sniffed; HTTP covers HTTP/1.1, HTTP2 also gRPC.
const (
	ProtocolAuto  Protocol = "auto"
	ProtocolHTTP  Protocol = "http"
	ProtocolHTTP2 Protocol = "http2"
	ProtocolTCP   Protocol = "tcp"
	ProtocolTLS   Protocol = "tls"
	// ProtocolMySQL and the like speak server first: nothing may wait for the
	// client's bytes.
	ProtocolServerFirst Protocol = "server-first"
	ProtocolUDP         Protocol = "udp"
)

// IsHTTP reports whether routes by virtual host apply.
func (p Protocol) IsHTTP() bool { return p == ProtocolHTTP || p == ProtocolHTTP2 }

// Service is one host that clients may address, without its endpoints. Its key
// is Service/namespace/name.
type Service struct {
	Namespace string
	Name      string
	// Hostname is the full name: name.namespace.svc.<cluster domain>.
	Hostname string
	// Addresses are the cluster IPs, none for a headless service.
	Addresses []string
	Headless  bool
	Ports     []ServicePort
	// Selector picks the pods; nil if the endpoints are made by hand.
	Selector map[string]string
	// ExportTo: nil or "*" everybody, "." own namespace, "~" nobody, else names.
	ExportTo []string
	// ExternalName is the DNS name that an ExternalName service stands for.
	ExternalName string
}

// ServicePort is one port of a Service.
type ServicePort struct {
	Name     string
	Number   int32
	Protocol Protocol
	// TargetPort is the number that pods serve, 0 if it is named.
	TargetPort int32
	// TargetName is the name of the container port if TargetPort is 0.
	TargetName string
}

// Equal implements Value.
func (s *Service) Equal(o Value) bool { return reflect.DeepEqual(Value(s), o) }

// EndpointSlice is one slice of a service's endpoints. Its key is
// EndpointSlice/namespace/name; the bucket SlicesOfService finds it.
type EndpointSlice struct {
	Namespace string
	Name      string
	// Service is the name of the service in the same namespace.
	Service string
	Ports   []EndpointPort
	// Endpoints are sorted by first address.
	Endpoints []Endpoint
}

// EndpointPort maps a service port's name to a number.
type EndpointPort struct {
	Name   string
	Number int32
}

// Endpoint is one address that serves.
type Endpoint struct {
	Addresses []string
	// Workload is the key of the pod behind it, the zero Key if none.
	Workload Key
	// Ready endpoints get traffic. Terminating and serving ones are Draining.
	Ready    bool
	Draining bool
	// Zone is the slice's own hint, used where the pod's node is not known.
	Zone string
}

// Equal implements Value.
func (s *EndpointSlice) Equal(o Value) bool { return reflect.DeepEqual(Value(s), o) }
