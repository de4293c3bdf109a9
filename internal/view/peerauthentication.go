package view

import (
	"reflect"
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// KindInbound is the derived kind that says what a workload's ports accept. Its
// keys are Inbound/namespace/pod, its values *Inbound.
const KindInbound mesh.Kind = "Inbound"

// Inbound is what a pod's ports accept, after precedence.
type Inbound struct {
	// Mode is never MTLSUnset.
	Mode mesh.MTLSMode
	// Ports that differ from Mode, sorted by port.
	Ports []mesh.PortMTLS
}

// Equal implements mesh.Value.
func (i *Inbound) Equal(o mesh.Value) bool { return reflect.DeepEqual(mesh.Value(i), o) }

// Of is the mode of a port of the pod.
func (i *Inbound) Of(port int32) mesh.MTLSMode {
	for _, p := range i.Ports {
		if p.Port == port {
			return p.Mode
		}
	}
	return i.Mode
}

// subject is whose mode is looked for: a workload that is known, or the proxy,
// which can only be asked.
type subject struct {
	// namespace is the subject's if it is among the sorted list, else "".
	namespace func(among []string) string
	matches   func(selector map[string]string) bool
}

// ProxyInbound is what the proxy's pod accepts.
func ProxyInbound(r mesh.Reader) *Inbound {
	return inbound(r, subject{
		namespace: func(among []string) string { return r.Among(mesh.Fact{Kind: mesh.FactNamespace}, among) },
		matches:   func(selector map[string]string) bool { return hasLabels(r, selector) },
	})
}

// workloadInbound computes KindInbound.
func workloadInbound(l mesh.Lookup, k mesh.Key) mesh.Value {
	w, ok := l.Get(mesh.Key{Kind: mesh.KindWorkload, Namespace: k.Namespace, Name: k.Name}).(*mesh.Workload)
	if !ok {
		return nil
	}
	return inbound(l, subject{
		namespace: func(among []string) string {
			if _, ok := slices.BinarySearch(among, w.Namespace); ok {
				return w.Namespace
			}
			return ""
		},
		matches: func(selector map[string]string) bool { return selects(selector, w.Labels) },
	})
}

// inbound applies Istio's precedence: the port of the workload's policy, the
// workload's, the namespace's, the mesh's; of several the oldest.
func inbound(l mesh.Lookup, who subject) *Inbound {
	config := Config(l)
	out := &Inbound{Mode: config.MTLS}
	if out.Mode == mesh.MTLSUnset {
		out.Mode = mesh.MTLSPermissive
	}
	if p := oldest(peerAuthentications(l, config.RootNamespace), wide); p != nil && p.Mode != mesh.MTLSUnset {
		out.Mode = p.Mode
	}
	var namespaces []string
	for _, k := range l.List(allPeerAuthentications) {
		namespaces = append(namespaces, k.Namespace)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	if len(namespaces) == 0 {
		return out
	}
	namespace := who.namespace(namespaces)
	if namespace == "" {
		return out
	}
	policies := peerAuthentications(l, namespace)
	if p := oldest(policies, wide); p != nil && p.Mode != mesh.MTLSUnset {
		out.Mode = p.Mode
	}
	narrow := oldest(policies, func(p *mesh.PeerAuthentication) bool { return !wide(p) && who.matches(p.Selector) })
	if narrow == nil {
		return out
	}
	if narrow.Mode != mesh.MTLSUnset {
		out.Mode = narrow.Mode
	}
	for _, port := range narrow.Ports {
		if port.Mode != mesh.MTLSUnset && port.Mode != out.Mode {
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

func wide(p *mesh.PeerAuthentication) bool { return len(p.Selector) == 0 }

// peerAuthentications are those of a namespace, the oldest first.
func peerAuthentications(l mesh.Lookup, namespace string) []*mesh.PeerAuthentication {
	var out []*mesh.PeerAuthentication
	for _, k := range l.List(peerAuthenticationsOf(namespace)) {
		if p, ok := l.Get(k).(*mesh.PeerAuthentication); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *mesh.PeerAuthentication) int { return older(a.Meta, b.Meta) })
	return out
}

func oldest(list []*mesh.PeerAuthentication, holds func(*mesh.PeerAuthentication) bool) *mesh.PeerAuthentication {
	if i := slices.IndexFunc(list, holds); i >= 0 {
		return list[i]
	}
	return nil
}
