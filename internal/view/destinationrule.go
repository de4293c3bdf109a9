package view

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Policy is what DestinationRules say to one client about one service, after
// precedence and merging.
type Policy struct {
	Traffic mesh.TrafficPolicy
	Subsets []mesh.Subset
}

// PolicyOf finds the rules for a service as Istio does: those of the client's
// namespace, else of the service's, else of the root namespace; of these the
// most specific host; and of these a rule that selects the client's pod before
// the others. Rules that name the same host are merged, the oldest first.
func PolicyOf(r mesh.Reader, s *mesh.Service) Policy {
	found := rulesOf(r, s.Hostname)
	if len(found) == 0 {
		return Policy{}
	}
	root := Config(r).RootNamespace
	if own := clientNamespace(r, found, s.Namespace, root); own != "" {
		if p, ok := merged(r, inNamespace(found, own), true); ok {
			return p
		}
	}
	for _, namespace := range []string{s.Namespace, root} {
		var seen []*mesh.DestinationRule
		for _, rule := range inNamespace(found, namespace) {
			if visible(r, rule.ExportTo, rule.Namespace) {
				seen = append(seen, rule)
			}
		}
		if p, ok := merged(r, seen, false); ok {
			return p
		}
	}
	return Policy{}
}

// clientNamespace is the client's namespace if rules there may hold for it that
// hold for nobody else, else "". It is not asked where the answer could not
// matter: rules of the service's namespace that everybody sees.
func clientNamespace(r mesh.Reader, rules []*mesh.DestinationRule, service, root string) string {
	var namespaces []string
	for _, rule := range rules {
		public, _ := exported(rule.ExportTo, rule.Namespace)
		if rule.Namespace == root || rule.Namespace == service && public && len(rule.WorkloadSelector) == 0 {
			continue
		}
		namespaces = append(namespaces, rule.Namespace)
	}
	if len(namespaces) == 0 {
		return ""
	}
	slices.Sort(namespaces)
	return r.Among(mesh.Fact{Kind: mesh.FactNamespace}, slices.Compact(namespaces))
}

// rulesOf are all rules for a host, the most specific pattern first and the
// oldest first within one.
func rulesOf(l mesh.Lookup, host string) []*mesh.DestinationRule {
	var out []*mesh.DestinationRule
	for _, pattern := range patterns(host) {
		start := len(out)
		for _, k := range l.List(destinationRulesOf(pattern)) {
			if rule, ok := l.Get(k).(*mesh.DestinationRule); ok {
				out = append(out, rule)
			}
		}
		slices.SortFunc(out[start:], func(a, b *mesh.DestinationRule) int { return older(a.Meta, b.Meta) })
	}
	return out
}

func inNamespace(rules []*mesh.DestinationRule, namespace string) []*mesh.DestinationRule {
	var out []*mesh.DestinationRule
	for _, rule := range rules {
		if rule.Namespace == namespace {
			out = append(out, rule)
		}
	}
	return out
}

// merged makes one policy of the rules with the first's host. Rules with a
// selector count only for clients of their own namespace.
func merged(r mesh.Reader, rules []*mesh.DestinationRule, own bool) (Policy, bool) {
	var plain []*mesh.DestinationRule
	for _, rule := range rules {
		if len(plain) > 0 && rule.Host != plain[0].Host {
			break
		}
		if len(rule.WorkloadSelector) == 0 {
			plain = append(plain, rule)
			continue
		}
		if own && hasLabels(r, rule.WorkloadSelector) {
			return Policy{Traffic: rule.Policy, Subsets: rule.Subsets}, true
		}
	}
	if len(plain) == 0 {
		return Policy{}, false
	}
	var out Policy
	for _, rule := range plain {
		if empty(out.Traffic) {
			out.Traffic = rule.Policy
		}
		for _, s := range rule.Subsets {
			if out.Subset(s.Name) == nil {
				out.Subsets = append(out.Subsets, s)
			}
		}
	}
	return out, true
}

func empty(p mesh.TrafficPolicy) bool {
	return p.LoadBalancer == nil && p.Pool == nil && p.Outlier == nil && p.TLS == nil && len(p.Ports) == 0
}

// Subset is the subset of this name, nil if there is none.
func (p Policy) Subset(name string) *mesh.Subset {
	for i := range p.Subsets {
		if p.Subsets[i].Name == name {
			return &p.Subsets[i]
		}
	}
	return nil
}

// For is the policy of a port of the service or of a subset (nil for none).
// Settings of a port replace those of the whole, settings of a subset replace
// part by part (Istio's rule).
func (p Policy) For(subset *mesh.Subset, port int32) mesh.TrafficPolicy {
	out := ofPort(p.Traffic, port)
	if subset == nil {
		return out
	}
	s := subset.Policy
	if s.LoadBalancer != nil {
		out.LoadBalancer = s.LoadBalancer
	}
	if s.Pool != nil {
		out.Pool = s.Pool
	}
	if s.Outlier != nil {
		out.Outlier = s.Outlier
	}
	if s.TLS != nil {
		out.TLS = s.TLS
	}
	for _, o := range s.Ports {
		if o.Port == port {
			return o.Policy
		}
	}
	return out
}

func ofPort(t mesh.TrafficPolicy, port int32) mesh.TrafficPolicy {
	for _, o := range t.Ports {
		if o.Port == port {
			return o.Policy
		}
	}
	t.Ports = nil
	return t
}

// SubsetNames are all names of subsets that some rule gives a service, sorted.
func SubsetNames(l mesh.Lookup, s *mesh.Service) []string {
	var out []string
	for _, rule := range rulesOf(l, s.Hostname) {
		for _, subset := range rule.Subsets {
			out = append(out, subset.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
