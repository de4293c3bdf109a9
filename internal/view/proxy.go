package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Served is a port of a workload that a service sends to.
type Served struct {
	// Number is the service's port, Target the workload's.
	Number, Target int32
	Protocol       mesh.Protocol
}

// served is what a workload with these labels serves, by its services in the
// order of their keys. Named target ports are found among ports.
func served(l mesh.Lookup, namespace string, labels map[string]string, ports []mesh.NamedPort) []Served {
	var keys []mesh.Key
	for k, v := range labels {
		keys = append(keys, l.List(servicesSelecting(namespace, k, v))...)
	}
	slices.SortFunc(keys, mesh.Key.Compare)
	var out []Served
	for _, k := range slices.Compact(keys) {
		s, ok := l.Get(k).(*mesh.Service)
		if !ok || !selects(s.Selector, labels) {
			continue
		}
		for _, p := range s.Ports {
			if target := targetOf(p, ports); target != 0 && p.Protocol != mesh.ProtocolUDP {
				out = append(out, Served{Number: p.Number, Target: target, Protocol: p.Protocol})
			}
		}
	}
	return out
}

// targetOf is the number of a port's target, 0 if its name is not known.
func targetOf(p mesh.ServicePort, ports []mesh.NamedPort) int32 {
	if p.TargetPort != 0 {
		return p.TargetPort
	}
	for _, n := range ports {
		if n.Name == p.TargetName {
			return n.Number
		}
	}
	return 0
}

// selects reports whether a selector that is not empty picks these labels.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return len(selector) > 0
}

// facts implements mesh.Facts.
type facts struct {
	plain    map[mesh.FactKind]string
	labels   map[string]string
	protocol map[string]string
	target   map[string]string
	// scope is nil for everything.
	scope *mesh.Scope
}

// Fact implements mesh.Facts.
func (f *facts) Fact(q mesh.Fact) string {
	switch q.Kind {
	case mesh.FactLabel:
		return f.labels[q.Arg]
	case mesh.FactPort:
		return f.protocol[q.Arg]
	case mesh.FactTarget:
		return f.target[q.Arg]
	case mesh.FactHolds:
		if f.scope == nil || f.scope.Has(mesh.ParseKey(q.Arg)) {
			return held
		}
		return ""
	}
	return f.plain[q.Kind]
}

// FactsOf implements mesh.FactsOf: what a proxy is comes from its Workload, or,
// if it has none, from what it was allowed to claim.
func FactsOf(l mesh.Lookup, p mesh.Proxy) mesh.Facts {
	labels, account, locality := p.Labels, p.ServiceAccount, p.Locality
	var ports []mesh.NamedPort
	if w, ok := l.Get(mesh.Key{Kind: mesh.KindWorkload, Namespace: p.Namespace, Name: p.Pod}).(*mesh.Workload); ok {
		labels, account, ports = w.Labels, w.ServiceAccount, w.Ports
		locality = localityOf(l, w.Node, "").String()
	}
	f := &facts{
		plain: map[mesh.FactKind]string{
			mesh.FactType:           p.Type,
			mesh.FactNamespace:      p.Namespace,
			mesh.FactLocality:       locality,
			mesh.FactServiceAccount: account,
		},
		labels:   labels,
		protocol: map[string]string{},
		target:   map[string]string{},
	}
	for _, s := range served(l, p.Namespace, labels, ports) {
		// Where services disagree, the one whose key sorts first decides.
		target, number := strconv.Itoa(int(s.Target)), strconv.Itoa(int(s.Number))
		if f.protocol[target] == "" {
			f.protocol[target] = string(s.Protocol)
		}
		if f.target[number] == "" {
			f.target[number] = target
		}
	}
	f.plain[mesh.FactServed] = servedFact(f.protocol)
	if p.Type == mesh.ProxySidecar {
		if s := sidecarOf(l, p.Namespace, labels); s != nil {
			name := scopeName(p.Namespace, egressOf(s, p.Namespace))
			f.plain[mesh.FactScope] = name
			f.scope, _ = l.Get(mesh.Key{Kind: mesh.KindScope, Name: name}).(*mesh.Scope)
			f.plain[mesh.FactOutbound] = string(s.Outbound)
		}
	}
	return f
}

func servedFact(protocol map[string]string) string {
	var list []ServedPort
	for port, p := range protocol {
		n, _ := strconv.Atoi(port)
		list = append(list, ServedPort{Port: int32(n), Protocol: mesh.Protocol(p)})
	}
	slices.SortFunc(list, func(a, b ServedPort) int { return int(a.Port - b.Port) })
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = fmt.Sprintf("%d/%s", s.Port, s.Protocol)
	}
	return strings.Join(words, ",")
}

// ServedPort is a port of the proxy's pod that its services send to.
type ServedPort struct {
	Port     int32
	Protocol mesh.Protocol
}

// ServedPorts are the ports that the proxy's pod serves, sorted.
func ServedPorts(r mesh.Reader) []ServedPort {
	fact := r.Value(mesh.Fact{Kind: mesh.FactServed})
	if fact == "" {
		return nil
	}
	var out []ServedPort
	for word := range strings.SplitSeq(fact, ",") {
		port, protocol, _ := strings.Cut(word, "/")
		n, _ := strconv.Atoi(port)
		out = append(out, ServedPort{Port: int32(n), Protocol: mesh.Protocol(protocol)})
	}
	return out
}

// protocols are the answers that FactPort may have, sorted.
var protocols = []string{
	string(mesh.ProtocolAuto), string(mesh.ProtocolHTTP), string(mesh.ProtocolHTTP2),
	string(mesh.ProtocolServerFirst), string(mesh.ProtocolTCP), string(mesh.ProtocolTLS),
}

// ServedProtocol is what the proxy's pod speaks on a port, "" if none of its
// services sends there.
func ServedProtocol(r mesh.Reader, port int32) mesh.Protocol {
	return mesh.Protocol(r.Among(mesh.Fact{Kind: mesh.FactPort, Arg: strconv.Itoa(int(port))}, protocols))
}

// IsRouter reports whether the proxy is a gateway.
func IsRouter(r mesh.Reader) bool {
	return r.Among(mesh.Fact{Kind: mesh.FactType}, []string{mesh.ProxyRouter}) != ""
}

// hasLabels asks whether the proxy's pod has these labels. An empty selector
// picks nobody.
func hasLabels(r mesh.Reader, selector map[string]string) bool {
	for _, k := range sortedKeys(selector) {
		v := selector[k]
		if v == "" || r.Among(mesh.Fact{Kind: mesh.FactLabel, Arg: k}, []string{v}) == "" {
			return false
		}
	}
	return len(selector) > 0
}
