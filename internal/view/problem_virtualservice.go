package view

import (
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (f *finder) virtualService(vs *mesh.VirtualService) {
	for i, name := range vs.Gateways {
		if name != mesh.MeshGateway && GatewayNamed(f, name) == nil {
			namespace, gateway, _ := strings.Cut(name, "/")
			f.add(ReasonGatewayNotFound, fmt.Sprintf("spec.gateways[%d]", i),
				"no Gateway %q exists in namespace %q; nothing is routed for it. Create the Gateway or correct the name.", gateway, namespace)
		}
	}
	for i, host := range vs.Hosts {
		f.claimed(vs, i, host)
	}
	for i := range vs.HTTP {
		for j := range vs.HTTP[i].Destinations {
			field := fmt.Sprintf("spec.http[%d].route[%d].destination", vs.HTTP[i].Index, j)
			f.destination(vs, field, &vs.HTTP[i].Destinations[j], "requests are answered with 503")
		}
		for j := range vs.HTTP[i].Mirrors {
			mirror := &vs.HTTP[i].Mirrors[j]
			f.destination(vs, fmt.Sprintf("spec.http[%d].%s", vs.HTTP[i].Index, mirror.Field), &mirror.Destination, "nothing is copied to it")
		}
	}
}

// claimed tells the younger of two VirtualServices that name the same host for
// the same gateway whom it lost to.
func (f *finder) claimed(vs *mesh.VirtualService, i int, host string) {
	for _, gateway := range vs.Gateways {
		for _, other := range claimants(f, gateway, host) {
			if other.Namespace == vs.Namespace && other.Name == vs.Name {
				break
			}
			if !overlap(vs, other) {
				continue
			}
			f.add(ReasonHostClaimed, fmt.Sprintf("spec.hosts[%d]", i),
				"VirtualService %s/%s is older and routes the host %q for gateway %q; this one is not used for it. Merge the two, or remove the host from one.",
				other.Namespace, other.Name, host, gateway)
			break
		}
	}
}

// destination tells what keeps a destination from being one, and what comes of it.
func (f *finder) destination(vs *mesh.VirtualService, field string, d *mesh.Destination, so string) {
	s := Service(f, d.Host)
	if s == nil {
		f.noService(field+".host", d.Host, so)
		return
	}
	if public, namespaces := exported(s.ExportTo, s.Namespace); !public && len(namespaces) == 0 {
		f.add(ReasonHostNotFound, field+".host", "Service %s/%s is exported to nobody; %s. Change its networking.istio.io/exportTo annotation.", s.Namespace, s.Name, so)
		return
	}
	if d.Port != 0 && Port(s, d.Port) == nil {
		f.add(ReasonPortNotFound, field+".port.number", "Service %s/%s has no TCP port %d; %s. It has: %s.",
			s.Namespace, s.Name, d.Port, so, portList(s))
	}
	if d.Subset == "" {
		return
	}
	for _, rule := range rulesOf(f, s.Hostname) {
		if f.mayApply(vs, s, rule) && (Policy{Subsets: rule.Subsets}).Subset(d.Subset) != nil {
			return
		}
	}
	f.add(ReasonSubsetNotFound, field+".subset", "no DestinationRule for host %q has a subset %q; %s. Add the subset to a DestinationRule, or correct the name.",
		d.Host, d.Subset, so)
}

// mayApply reports whether some client of vs could be under a rule.
func (f *finder) mayApply(vs *mesh.VirtualService, s *mesh.Service, rule *mesh.DestinationRule) bool {
	if rule.Namespace == vs.Namespace || rule.Namespace == s.Namespace || rule.Namespace == Config(f).RootNamespace {
		return true
	}
	// A rule in a third namespace serves the clients there, if they see vs.
	public, namespaces := exported(vs.ExportTo, vs.Namespace)
	if public {
		return true
	}
	for _, n := range namespaces {
		if n == rule.Namespace {
			return true
		}
	}
	return false
}

func portList(s *mesh.Service) string {
	var words []string
	for _, p := range s.Ports {
		if p.Protocol != mesh.ProtocolUDP {
			words = append(words, fmt.Sprint(p.Number))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
