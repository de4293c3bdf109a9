package translate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Names on the wire are Istio's, so that dashboards, EnvoyFilters and people
// find what they know.
const (
	passthroughCluster        = "PassthroughCluster"
	blackHoleCluster          = "BlackHoleCluster"
	inboundPassthroughCluster = "InboundPassthroughCluster"

	virtualOutbound = "virtualOutbound"
	virtualInbound  = "virtualInbound"

	anyAddress   = "0.0.0.0"
	outboundPort = 15001
	inboundPort  = 15006
)

// outboundName is outbound|port|subset|host.
func outboundName(port int32, subset, host string) string {
	return fmt.Sprintf("outbound|%d|%s|%s", port, subset, host)
}

// parseOutbound takes outboundName apart.
func parseOutbound(name string) (port int32, subset, host string, ok bool) {
	parts := strings.Split(name, "|")
	if len(parts) != 4 || parts[0] != "outbound" {
		return 0, "", "", false
	}
	port, ok = number(parts[1])
	return port, parts[2], parts[3], ok
}

// inboundName is inbound|port||, port being the pod's.
func inboundName(port int32) string { return fmt.Sprintf("inbound|%d||", port) }

func parseInbound(name string) (port int32, ok bool) {
	rest, ok := strings.CutPrefix(name, "inbound|")
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, "||")
	if !ok {
		return 0, false
	}
	return number(rest)
}

// serverName is the SNI of a mesh connection to a cluster: dots and underscores
// stand where a TLS name cannot have bars.
func serverName(port int32, subset, host string) string {
	return fmt.Sprintf("outbound_.%d_.%s_.%s", port, subset, host)
}

// listenerName is address_port.
func listenerName(address string, port int32) string { return fmt.Sprintf("%s_%d", address, port) }

func parseListener(name string) (address string, port int32, ok bool) {
	at := strings.LastIndexByte(name, '_')
	if at < 0 {
		return "", 0, false
	}
	address = name[:at]
	if _, err := netip.ParseAddr(address); err != nil {
		return "", 0, false
	}
	port, ok = number(name[at+1:])
	return address, port, ok
}

// Route configurations: port for the HTTP services of a port, host:port for a
// port whose protocol is sniffed, http.port and https.port.name.gateway.namespace
// for gateways.
func sidecarRoute(port int32) string { return strconv.Itoa(int(port)) }

func sniffedRoute(host string, port int32) string { return fmt.Sprintf("%s:%d", host, port) }

func httpRoute(port int32) string { return fmt.Sprintf("http.%d", port) }

func httpsRoute(gw *mesh.Gateway, s *mesh.Server) string {
	return fmt.Sprintf("https.%d.%s.%s.%s", s.Port, s.PortName, gw.Name, gw.Namespace)
}

// parseHTTPS takes httpsRoute apart. Names of gateways may have dots; those of
// ports and namespaces may not.
func parseHTTPS(name string) (port int32, portName, gateway string, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) < 5 || parts[0] != "https" {
		return 0, "", "", false
	}
	last := len(parts) - 1
	port, ok = number(parts[1])
	return port, parts[2], parts[last] + "/" + strings.Join(parts[3:last], "."), ok
}

// virtualHostName is the resource name of a virtual host, which its name field
// must repeat: else Envoy ignores its removal.
func virtualHostName(route, host string, port int32) string {
	return fmt.Sprintf("%s/%s:%d", route, host, port)
}

// parseVirtualHost takes virtualHostName apart.
func parseVirtualHost(name string) (route, host string, port int32, ok bool) {
	route, rest, ok := strings.Cut(name, "/")
	at := strings.LastIndexByte(rest, ':')
	if !ok || at < 0 {
		return "", "", 0, false
	}
	port, ok = number(rest[at+1:])
	return route, rest[:at], port, ok
}

// number reads a port.
func number(s string) (int32, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int32(n), err == nil
}
