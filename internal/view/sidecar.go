package view

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Answers of FactHolds and FactOutbound.
const held = "yes"

var outboundPolicies = []string{string(mesh.OutboundAllowAny), string(mesh.OutboundRegistryOnly)}

// sidecarOf is the Sidecar that holds for the sidecar of a pod, nil if none
// does: one that selects the pod before that of its namespace, and that before
// the root namespace's; of several the oldest. A selector reaches no further
// than its namespace.
func sidecarOf(l mesh.Lookup, namespace string, labels map[string]string) *mesh.Sidecar {
	if found := oldestSidecar(l, namespace, func(s *mesh.Sidecar) bool { return selects(s.Selector, labels) }); found != nil {
		return found
	}
	for _, ns := range []string{namespace, Config(l).RootNamespace} {
		if found := oldestSidecar(l, ns, func(s *mesh.Sidecar) bool { return len(s.Selector) == 0 }); found != nil {
			return found
		}
	}
	return nil
}

func oldestSidecar(l mesh.Lookup, namespace string, matches func(*mesh.Sidecar) bool) *mesh.Sidecar {
	var found *mesh.Sidecar
	for _, k := range l.List(sidecarsIn(namespace)) {
		s, ok := l.Get(k).(*mesh.Sidecar)
		if ok && matches(s) && (found == nil || s.Before(found.Meta)) {
			found = s
		}
	}
	return found
}

// egress are the patterns of a Sidecar for proxies of one namespace: "." is
// replaced. The zero value includes everything.
type egress []mesh.Egress

func egressOf(s *mesh.Sidecar, namespace string) egress {
	if s == nil {
		return nil
	}
	out := make(egress, 0, len(s.Egress))
	for _, e := range s.Egress {
		if e.Namespace == "." {
			e.Namespace = namespace
		}
		out = append(out, e)
	}
	if !slices.ContainsFunc(out, func(e mesh.Egress) bool { return e.Exclude }) &&
		slices.Contains(out, mesh.Egress{Namespace: "*", Host: "*"}) {
		return nil
	}
	return out
}

// has reports whether a host of a namespace is included and not excluded. A
// wildcard is included where it may stand for a host that is.
func (list egress) has(namespace, host string) bool {
	if len(list) == 0 {
		return true
	}
	included := false
	for _, e := range list {
		switch {
		case e.Namespace != "*" && e.Namespace != namespace:
		case e.Exclude && covers(e.Host, host):
			return false
		case !e.Exclude && (covers(e.Host, host) || covers(host, e.Host)):
			included = true
		}
	}
	return included
}

// hasAny is has for one of the hosts of a VirtualService, which is imported
// whole.
func (list egress) hasAny(namespace string, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool { return list.has(namespace, h) })
}

// holds reports whether a key is in the proxy's scope.
func holds(r mesh.Reader, k mesh.Key) bool {
	return r.Among(mesh.Fact{Kind: mesh.FactHolds, Arg: k.String()}, []string{held}) != ""
}

// imports reports whether the proxy obeys a VirtualService for a host. One of
// the service's own namespace comes with the service, so that it need not be
// asked.
func imports(r mesh.Reader, vs *mesh.VirtualService, host string) bool {
	if len(r.List(allSidecars)) == 0 {
		return true
	}
	if s := Service(r, host); s != nil && s.Namespace == vs.Namespace {
		return true
	}
	return holds(r, mesh.Key{Kind: mesh.KindVirtualService, Namespace: vs.Namespace, Name: vs.Name})
}

// AllowsAny reports whether the proxy lets unknown destinations pass.
func AllowsAny(r mesh.Reader) bool {
	switch mesh.OutboundPolicy(r.Among(mesh.Fact{Kind: mesh.FactOutbound}, outboundPolicies)) {
	case mesh.OutboundAllowAny:
		return true
	case mesh.OutboundRegistryOnly:
		return false
	}
	return Config(r).OutboundAllowAny
}
