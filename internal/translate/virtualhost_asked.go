package translate

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// A proxy in automatic mode has no catch-all: Envoy asks for each host that its
// application calls, as <route>/<host as sent>, and gets a virtual host for that
// one name. What is not there yet is answered by the outbound policy, and
// becomes the service's once that is there, so that no answer is ever removed.

// askedMark stands in the names of such virtual hosts, where a Host header
// cannot have it: so they are never those of full mode. Envoy finds what it
// asked for by the alias.
const askedMark = "/@"

// seedDomain is nobody's name: a listener wants one virtual host to begin with.
const seedDomain = "seed.invalid"

// askedName is the virtual host of a host as an application sent it; "" is the
// seed.
func askedName(route, host string) string { return route + askedMark + host }

func isAsked(name string) bool { return strings.Contains(name, askedMark) }

// isSidecarRoute reports whether a route configuration is that of a port of
// sidecars, where hosts are asked for.
func isSidecarRoute(name string) bool {
	_, ok := number(name)
	return ok
}

// maxHost is how long a name of DNS with a port may be.
const maxHost = 255 + len(":65535")

// asked implements resource.Type's Asked.
func asked(name string) (string, bool) {
	route, host, _ := strings.Cut(name, "/")
	// Envoy asks in lower case. "*" and "@" are in no Host header.
	if !isSidecarRoute(route) || host == "" || len(host) > maxHost || host != strings.ToLower(host) || strings.ContainsAny(host, "*@/") {
		return "", false
	}
	return askedName(route, host), true
}

// virtualHostHolder implements resource.Type's Holds.
func virtualHostHolder(name string) resource.Holder {
	route, rest, _ := strings.Cut(name, "/")
	switch {
	case rest == "@":
		return resource.InAutomaticMode
	case isAsked(name):
		return resource.WhoAsked
	case isSidecarRoute(route):
		return resource.InFullMode
	}
	return resource.Everybody
}

// askedHost routes requests to a host, exactly as an application wrote it, as
// the virtual hosts of full mode would.
func askedHost(r mesh.Reader, name string) resource.Built {
	in, host, _ := strings.Cut(name, askedMark)
	port, ok := number(in)
	if !ok || view.IsRouter(r) {
		return resource.Built{}
	}
	vh := &routev3.VirtualHost{Name: name, IncludeRequestAttemptCount: true}
	if host == "" {
		vh.Domains = []string{seedDomain}
		return resource.Built{Msg: vh}
	}
	b := &routes{Reader: r, gateway: mesh.MeshGateway, port: port}
	routeAsked(b, vh, withoutPort(host))
	vh.Domains = []string{host}
	for _, route := range vh.GetRoutes() {
		// The listener's bound is for hosts that are waited for.
		if a := route.GetRoute(); a != nil {
			a.IdleTimeout = envoy.Duration(0)
		}
	}
	return resource.Built{Msg: vh, Aliases: []string{in + "/" + host}, Refs: clusters(b.clusters...)}
}

func routeAsked(b *routes, vh *routev3.VirtualHost, host string) {
	if s := view.ServiceCalled(b, host, b.port); s != nil {
		serviceRoutes(b, vh, s.Hostname)
		return
	}
	if b.port == otherPort {
		if vs := view.VirtualService(b, mesh.MeshGateway, host); vs != nil && len(vs.HTTP) > 0 {
			vh.Routes = b.of(vs)
			return
		}
	}
	catchAll(b, vh)
}

// withoutPort is the host of a Host header.
func withoutPort(host string) string {
	at := strings.LastIndexByte(host, ':')
	if at < 0 || strings.HasSuffix(host, "]") {
		return host
	}
	return host[:at]
}
