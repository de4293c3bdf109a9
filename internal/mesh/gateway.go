package mesh

import (
	"bytes"
	"reflect"
)

// Gateway says on which ports gateway proxies listen for which hosts. Its key
// is Gateway/namespace/name.
type Gateway struct {
	Meta
	// Selector picks the gateway pods by label; empty picks none.
	Selector map[string]string
	Servers  []Server
}

// Equal implements Value.
func (g *Gateway) Equal(o Value) bool { return reflect.DeepEqual(Value(g), o) }

// Server is one port of a Gateway.
type Server struct {
	// Index is the place in the user's list, for Problems.
	Index    int
	Name     string
	Port     int32
	PortName string
	Protocol ServerProtocol
	// Hosts are namespace/host, "*/host" or "./host"; the namespace limits which
	// VirtualServices may bind.
	Hosts []string
	// TLS is nil for plaintext servers.
	TLS *ServerTLS
	// HTTPSRedirect answers plaintext requests with 301 to https.
	HTTPSRedirect bool
}

// ServerProtocol is what a server speaks.
type ServerProtocol string

// The protocols that are served.
const (
	ServerHTTP        ServerProtocol = "HTTP"
	ServerHTTPS       ServerProtocol = "HTTPS"
	ServerProtocolTLS ServerProtocol = "TLS"
	ServerTCP         ServerProtocol = "TCP"
)

// ServerTLS is how a server terminates or passes TLS.
type ServerTLS struct {
	Mode ServerTLSMode
	// Credential names a TLS Secret in the gateway pod's namespace.
	Credential string
	// MinVersion and MaxVersion are Envoy's names, as TLSv1_2; "" its default.
	MinVersion string
	MaxVersion string
}

// ServerTLSMode is one of Istio's server TLS modes.
type ServerTLSMode string

// The modes that are served.
const (
	ServerSimple      ServerTLSMode = "Simple"
	ServerMutual      ServerTLSMode = "Mutual"
	ServerPassthrough ServerTLSMode = "Passthrough"
)

// Credential is a TLS Secret that gateways may serve. Its key is
// Credential/namespace/name. It holds a private key: never print it.
type Credential struct {
	Namespace string
	Name      string
	Cert      []byte
	Key       []byte
	CA        []byte
}

// Equal implements Value.
func (c *Credential) Equal(o Value) bool {
	d, ok := o.(*Credential)
	return ok && c.Namespace == d.Namespace && c.Name == d.Name &&
		bytes.Equal(c.Cert, d.Cert) && bytes.Equal(c.Key, d.Key) && bytes.Equal(c.CA, d.CA)
}

// String hides the key.
func (c *Credential) String() string { return "Credential/" + c.Namespace + "/" + c.Name }
