package view

import (
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// scopeName is the name of the scope of proxies of a namespace with these
// patterns: proxies that are told the same share it. "" for everything.
func scopeName(namespace string, list egress) string {
	if len(list) == 0 {
		return ""
	}
	words := []string{namespace}
	for _, e := range list {
		words = append(words, e.String())
	}
	return strings.Join(words, " ")
}

func parseScope(name string) (namespace string, list egress) {
	words := strings.Fields(name)
	for _, w := range words[1:] {
		ns, host, _ := strings.Cut(w, "/")
		rest, exclude := strings.CutPrefix(ns, "~")
		list = append(list, mesh.Egress{Namespace: rest, Host: host, Exclude: exclude})
	}
	return words[0], list
}

// scope computes mesh.KindScope: the services and VirtualServices that the
// patterns name and the namespace may see, and what they lead to.
func scope(l mesh.Lookup, k mesh.Key) mesh.Value {
	if k.Name == "" {
		return nil
	}
	namespace, list := parseScope(k.Name)
	c := &collector{Lookup: l, namespace: namespace, egress: list, seen: map[mesh.Key]bool{}}
	for _, e := range list {
		if !e.Exclude {
			c.include(e)
		}
	}
	out := &mesh.Scope{Keys: make([]mesh.Key, 0, len(c.seen))}
	for k := range c.seen {
		out.Keys = append(out.Keys, k)
	}
	slices.SortFunc(out.Keys, mesh.Key.Compare)
	return out
}

// collector collects the keys of one scope.
type collector struct {
	mesh.Lookup
	namespace string
	egress    egress
	seen      map[mesh.Key]bool
}

// sees reports whether proxies of the scope may see an object.
func (c *collector) sees(exportTo []string, owner string) bool {
	public, in := exported(exportTo, owner)
	return public || slices.Contains(in, c.namespace)
}

// include collects what one pattern names.
func (c *collector) include(e mesh.Egress) {
	services, routes := allServices, []mesh.Key{allVirtualServices}
	switch {
	case !strings.HasPrefix(e.Host, "*"):
		services, routes = ServicesOfHost(e.Host), nil
		for _, pattern := range patterns(e.Host) {
			routes = append(routes, virtualServicesOf(mesh.MeshGateway, pattern))
		}
	case e.Namespace != "*":
		services, routes = servicesIn(e.Namespace), []mesh.Key{virtualServicesIn(e.Namespace)}
	}
	for _, k := range c.List(services) {
		if s, ok := c.Get(k).(*mesh.Service); ok && c.egress.has(s.Namespace, s.Hostname) {
			c.service(k, s)
		}
	}
	for _, bucket := range routes {
		for _, k := range c.List(bucket) {
			if vs, ok := c.Get(k).(*mesh.VirtualService); ok && c.egress.hasAny(vs.Namespace, vs.Hosts) {
				c.virtualService(k, vs)
			}
		}
	}
}

// service collects a service with the VirtualServices of its own namespace.
func (c *collector) service(k mesh.Key, s *mesh.Service) {
	if c.seen[k] || !c.sees(s.ExportTo, s.Namespace) {
		return
	}
	c.seen[k] = true
	if s.Headless {
		for _, slice := range c.List(slicesOfService(s.Namespace, s.Name)) {
			c.seen[slice] = true
		}
	}
	for _, pattern := range patterns(s.Hostname) {
		for _, k := range c.List(virtualServicesOf(mesh.MeshGateway, pattern)) {
			if vs, ok := c.Get(k).(*mesh.VirtualService); ok && vs.Namespace == s.Namespace {
				c.virtualService(k, vs)
			}
		}
	}
}

// virtualService collects a VirtualService with its destinations and mirrors,
// named by the patterns or not (Istio's rule).
func (c *collector) virtualService(k mesh.Key, vs *mesh.VirtualService) {
	if c.seen[k] || !c.sees(vs.ExportTo, vs.Namespace) {
		return
	}
	c.seen[k] = true
	for i := range vs.HTTP {
		for _, host := range vs.HTTP[i].Targets() {
			for _, k := range c.List(ServicesOfHost(host)) {
				if s, ok := c.Get(k).(*mesh.Service); ok {
					c.service(k, s)
				}
			}
		}
	}
}
