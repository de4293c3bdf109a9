package kube

import (
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// protocols are the names that Istio reads in appProtocol and before the first
// "-" of a port's name, and the Kubernetes standard ones. Those that speak
// server first are ours: Istio treats them as plain TCP and then waits for the
// client's first byte under PERMISSIVE.
var protocols = map[string]mesh.Protocol{
	"http":              mesh.ProtocolHTTP,
	"grpc-web":          mesh.ProtocolHTTP,
	"kubernetes.io/ws":  mesh.ProtocolHTTP,
	"http2":             mesh.ProtocolHTTP2,
	"grpc":              mesh.ProtocolHTTP2,
	"kubernetes.io/h2c": mesh.ProtocolHTTP2,
	"https":             mesh.ProtocolTLS,
	"tls":               mesh.ProtocolTLS,
	"kubernetes.io/wss": mesh.ProtocolTLS,
	"tcp":               mesh.ProtocolTCP,
	"mongo":             mesh.ProtocolTCP,
	"redis":             mesh.ProtocolTCP,
	"thrift":            mesh.ProtocolTCP,
	"udp":               mesh.ProtocolUDP,
	"mysql":             mesh.ProtocolServerFirst,
	"smtp":              mesh.ProtocolServerFirst,
	"ftp":               mesh.ProtocolServerFirst,
	"ssh":               mesh.ProtocolServerFirst,
	"sftp":              mesh.ProtocolServerFirst,
	"imap":              mesh.ProtocolServerFirst,
	"pop3":              mesh.ProtocolServerFirst,
	"nntp":              mesh.ProtocolServerFirst,
	"vnc":               mesh.ProtocolServerFirst,
	"server-first":      mesh.ProtocolServerFirst,
}

// wellKnown are the ports that need no name: the IANA numbers of protocols
// that speak server first, and two that Istio takes for TCP.
var wellKnown = map[int32]mesh.Protocol{
	21:    mesh.ProtocolServerFirst, // FTP
	22:    mesh.ProtocolServerFirst, // SSH
	25:    mesh.ProtocolServerFirst, // SMTP
	110:   mesh.ProtocolServerFirst, // POP3
	119:   mesh.ProtocolServerFirst, // NNTP
	143:   mesh.ProtocolServerFirst, // IMAP
	587:   mesh.ProtocolServerFirst, // SMTP submission
	3306:  mesh.ProtocolServerFirst, // MySQL
	5900:  mesh.ProtocolServerFirst, // VNC
	53:    mesh.ProtocolTCP,         // DNS
	27017: mesh.ProtocolTCP,         // MongoDB
}

// protocol says what a TCP port speaks: appProtocol decides if it is set, else
// the port's name, else the number; else the proxy sniffs (Istio's order).
func protocol(name string, app *string, number int32) mesh.Protocol {
	if app != nil && *app != "" {
		name = *app
	}
	name = strings.ToLower(name)
	if p, ok := protocols[name]; ok {
		return p
	}
	for _, two := range []string{"grpc-web", "server-first"} {
		if strings.HasPrefix(name, two+"-") {
			return protocols[two]
		}
	}
	prefix, _, _ := strings.Cut(name, "-")
	if p, ok := protocols[prefix]; ok {
		return p
	}
	if p, ok := wellKnown[number]; ok {
		return p
	}
	return mesh.ProtocolAuto
}
