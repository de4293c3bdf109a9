package translate

import (
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// routeNames are the route configurations that a value gives rise to.
func routeNames(l mesh.Lookup, k mesh.Key) []string {
	var names []string
	switch v := l.Get(k).(type) {
	case *mesh.Service:
		for _, p := range v.Ports {
			if r, ok := serviceRoute(v, p); ok {
				names = append(names, r)
			}
		}
	case *mesh.Gateway:
		for i := range v.Servers {
			names = append(names, serverRoutes(l, v, &v.Servers[i])...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// serviceRoute is the route configuration that a service port has a virtual
// host in.
func serviceRoute(s *mesh.Service, p mesh.ServicePort) (string, bool) {
	switch {
	case p.Protocol.IsHTTP():
		return sidecarRoute(p.Number), true
	case p.Protocol == mesh.ProtocolAuto && len(s.Addresses) > 0:
		return sniffedRoute(s.Hostname, p.Number), true
	}
	return "", false
}

// serverRoutes are the route configurations that a server of a Gateway may be
// served by.
func serverRoutes(l mesh.Lookup, gw *mesh.Gateway, s *mesh.Server) []string {
	switch s.Protocol {
	case mesh.ServerHTTPS:
		return []string{httpsRoute(gw, s)}
	case mesh.ServerHTTP:
		var out []string
		for _, port := range view.ListenPorts(l, gw, s.Port) {
			out = append(out, httpRoute(port))
		}
		return out
	}
	return nil
}

// routePort is the port that a route configuration's virtual hosts have in
// their names.
func routePort(name string) (int32, bool) {
	if rest, ok := strings.CutPrefix(name, "http."); ok {
		return number(rest)
	}
	if port, _, _, ok := parseHTTPS(name); ok {
		return port, true
	}
	return number(name[strings.LastIndexByte(name, ':')+1:])
}

// route implements resource.Build. A route configuration is only the place
// where virtual hosts meet: they come one by one, the catch-all too, and it
// never changes. It is the same for every proxy that asks.
func route(_ mesh.Reader, name string) resource.Built {
	if _, ok := routePort(name); !ok {
		return resource.Built{}
	}
	return resource.Built{Msg: &routev3.RouteConfiguration{
		Name:                     name,
		Vhds:                     &routev3.Vhds{ConfigSource: envoy.ADS(0)},
		ValidateClusters:         envoy.Bool(false),
		IgnorePortInHostMatching: true,
		ResponseHeadersToRemove:  []string{unreachedHeader},
		// Of a virtual host's own answers, as ingest allows them.
		MaxDirectResponseBodySizeBytes: envoy.UInt32(1 << 20),
	}}
}
