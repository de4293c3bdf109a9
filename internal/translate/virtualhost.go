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

// any is the host of the virtual host that takes what no other does.
const anyHost = "*"

// otherPort is where sidecars route hosts of VirtualServices that are no
// service's (Istio's rule).
const otherPort = 80

// virtualHostNames are the virtual hosts that a value gives rise to.
func virtualHostNames(l mesh.Lookup, k mesh.Key) []string {
	var names []string
	switch v := l.Get(k).(type) {
	case *mesh.Service:
		for _, p := range v.Ports {
			route, ok := serviceRoute(v, p)
			if !ok {
				continue
			}
			names = append(names, virtualHostName(route, v.Hostname, p.Number))
			if p.Protocol.IsHTTP() {
				names = append(names, virtualHostName(route, anyHost, p.Number))
			}
		}
	case *mesh.VirtualService:
		names = boundHosts(l, v)
	case *mesh.Gateway:
		for i := range v.Servers {
			s := &v.Servers[i]
			hosts := []string{anyHost}
			if s.HTTPSRedirect {
				hosts = append(hosts, view.Hosts(s)...)
			}
			names = append(names, inRoutes(serverRoutes(l, v, s), hosts)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// boundHosts are the virtual hosts that a VirtualService has of its own: hosts
// that are no service's, and what it shares with servers of its gateways.
func boundHosts(l mesh.Lookup, vs *mesh.VirtualService) []string {
	var names []string
	for _, name := range vs.Gateways {
		if name == mesh.MeshGateway {
			for _, h := range vs.Hosts {
				if h != anyHost && view.Service(l, h) == nil {
					names = append(names, virtualHostName(sidecarRoute(otherPort), h, otherPort))
				}
			}
			continue
		}
		gw := view.GatewayNamed(l, name)
		if gw == nil {
			continue
		}
		for i := range gw.Servers {
			b := view.Binding{Gateway: gw, Server: &gw.Servers[i]}
			names = append(names, inRoutes(serverRoutes(l, gw, b.Server), b.Shared(vs))...)
		}
	}
	return names
}

func inRoutes(routes, hosts []string) []string {
	var names []string
	for _, r := range routes {
		port, _ := routePort(r)
		for _, h := range hosts {
			names = append(names, virtualHostName(r, h, port))
		}
	}
	return names
}

// virtualHost implements resource.Build.
func virtualHost(r mesh.Reader, name string) resource.Built {
	in, host, port, ok := parseVirtualHost(name)
	if !ok {
		return resource.Built{}
	}
	gateway := strings.HasPrefix(in, "http.") || strings.HasPrefix(in, "https.")
	if gateway != view.IsRouter(r) {
		return resource.Built{}
	}
	vh := &routev3.VirtualHost{Name: name, IncludeRequestAttemptCount: true}
	b := &routes{Reader: r, gateway: mesh.MeshGateway, port: port}
	switch {
	case gateway:
		ok = gatewayHost(b, vh, in, host)
	case strings.Contains(in, ":"):
		ok = serviceHost(b, vh, host)
		vh.Domains = []string{anyHost}
		b.leaveALPN(vh)
	case host == anyHost:
		catchAll(b, vh)
	default:
		ok = serviceHost(b, vh, host) || otherHost(b, vh, host)
	}
	if !ok {
		return resource.Built{}
	}
	return resource.Built{Msg: vh, Refs: clusters(b.clusters...)}
}

// serviceHost routes requests for a service that the proxy may see.
func serviceHost(b *routes, vh *routev3.VirtualHost, host string) bool {
	s := view.VisibleService(b, host)
	if s == nil || view.Port(s, b.port) == nil {
		return false
	}
	vh.Domains = domains(b, s)
	if vs := view.VirtualService(b, mesh.MeshGateway, host); vs != nil && len(vs.HTTP) > 0 {
		vh.Routes = b.of(vs)
		return true
	}
	vh.Routes = []*routev3.Route{b.to(outboundName(b.port, "", host))}
	return true
}

// domains are all names by which the proxy's pod may call a service. Ports are
// ignored when names are compared.
func domains(r mesh.Reader, s *mesh.Service) []string {
	own, all := view.ShortNames(s.Name, s.Namespace)
	out := append([]string{s.Hostname}, all...)
	if r.Among(mesh.Fact{Kind: mesh.FactNamespace}, []string{s.Namespace}) != "" {
		out = append(out, own...)
	}
	if s.Headless {
		// Pods have names of their own below the service's.
		for _, d := range slices.Clone(out) {
			out = append(out, "*."+d)
		}
	}
	for _, ip := range s.Addresses {
		if !view.OwnsAddress(r, s, ip) {
			continue
		}
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		out = append(out, ip)
	}
	return out
}

// otherHost routes a host of a VirtualService that is no service's. A service's
// names are never given away.
func otherHost(b *routes, vh *routev3.VirtualHost, host string) bool {
	if b.port != otherPort || view.HasService(b, host, otherPort) {
		return false
	}
	vs := view.Claimant(b, mesh.MeshGateway, host)
	if vs == nil || len(vs.HTTP) == 0 {
		return false
	}
	vh.Domains = []string{host}
	vh.Routes = b.of(vs)
	return true
}

// catchAll takes what no other virtual host of a port does: by the outbound
// policy it passes or is refused, as Istio does.
func catchAll(b *routes, vh *routev3.VirtualHost) {
	vh.Domains = []string{anyHost}
	if b.port == otherPort {
		if vs := view.Claimant(b, mesh.MeshGateway, anyHost); vs != nil && len(vs.HTTP) > 0 {
			vh.Routes = b.of(vs)
			return
		}
	}
	if !view.AllowsAny(b) {
		vh.Routes = []*routev3.Route{{
			Name:   "block_all",
			Match:  everyPath(),
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 502}},
		}}
		return
	}
	b.clusters = append(b.clusters, passthroughCluster)
	vh.Routes = []*routev3.Route{{
		Name:  "allow_any",
		Match: everyPath(),
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: passthroughCluster},
			Timeout:          envoy.Duration(0),
		}},
	}}
}

// gatewayHost routes one domain of a gateway's port. The one for "*" is always
// there, if only to answer 404: the listener waits for it.
func gatewayHost(b *routes, vh *routev3.VirtualHost, in, host string) bool {
	found := host == anyHost
	for _, server := range serversOf(b, in) {
		redirect := server.Server.HTTPSRedirect
		if redirect && slices.Contains(view.Hosts(server.Server), host) {
			vh.RequireTls = routev3.VirtualHost_ALL
			found = true
		}
		vs := server.Routing(b, host)
		if vs == nil || len(vs.HTTP) == 0 {
			continue
		}
		if redirect {
			vh.RequireTls = routev3.VirtualHost_ALL
		}
		b.gateway, b.port = server.Name(), server.Server.Port
		vh.Routes = b.of(vs)
		found = true
		break
	}
	vh.Domains = []string{host}
	return found
}

// serversOf are the servers whose requests a route configuration routes.
func serversOf(r mesh.Reader, in string) []view.Binding {
	if port, portName, gateway, ok := parseHTTPS(in); ok {
		if b, ok := view.BindingOf(r, gateway, portName, port); ok {
			return []view.Binding{b}
		}
		return nil
	}
	port, ok := routePort(in)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(view.BindingsOn(r, port), func(b view.Binding) bool {
		return b.Server.Protocol != mesh.ServerHTTP
	})
}
