package view

import (
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Reasons of Problems that only the other objects show.
const (
	ReasonHostNotFound       = "HostNotFound"
	ReasonPortNotFound       = "PortNotFound"
	ReasonSubsetNotFound     = "SubsetNotFound"
	ReasonHostClaimed        = "HostClaimed"
	ReasonGatewayNotFound    = "GatewayNotFound"
	ReasonNoPods             = "NoGatewayPods"
	ReasonCredentialNotFound = "CredentialNotFound"
	ReasonPortConflict       = "PortConflict"
	ReasonNamespaceClaimed   = "NamespaceClaimed"
)

// problemKeys names the Problems of each object that can have some.
func problemKeys(k mesh.Key) []mesh.Key {
	switch k.Kind {
	case mesh.KindVirtualService, mesh.KindDestinationRule, mesh.KindGateway, mesh.KindSidecar:
		return []mesh.Key{mesh.ProblemsKey(k)}
	}
	return nil
}

// problems computes mesh.KindProblems.
func problems(l mesh.Lookup, k mesh.Key) mesh.Value {
	kind, name, _ := strings.Cut(k.Name, "/")
	object := mesh.Key{Kind: mesh.Kind(kind), Namespace: k.Namespace, Name: name}
	found := &finder{Lookup: l, object: object}
	out := &mesh.Problems{}
	switch v := l.Get(object).(type) {
	case *mesh.VirtualService:
		out.Generation = v.Generation
		found.virtualService(v)
	case *mesh.DestinationRule:
		out.Generation = v.Generation
		found.destinationRule(v)
	case *mesh.Gateway:
		out.Generation = v.Generation
		found.gateway(v)
	case *mesh.Sidecar:
		out.Generation = v.Generation
		found.sidecar(v)
	}
	if out.List = found.list; len(out.List) == 0 {
		return nil
	}
	return out
}

// finder collects the Problems of one object.
type finder struct {
	mesh.Lookup
	object mesh.Key
	list   []mesh.Problem
}

func (f *finder) add(reason, field, message string, args ...any) {
	f.list = append(f.list, mesh.Problem{
		Object: f.object, Reason: reason, Field: field, Message: fmt.Sprintf(message, args...),
	})
}

// noService says that a host is not known, and what the user may have meant.
func (f *finder) noService(field, host, effect string) {
	service, namespace := host, ""
	if parts := strings.SplitN(host, ".", 4); len(parts) > 2 && parts[2] == "svc" {
		service, namespace = parts[0], parts[1]
	}
	if namespace == "" {
		f.add(ReasonHostNotFound, field, "no Service has the host %q; %s. Write the name of a Service, as name.namespace.svc.%s.",
			host, effect, Config(f).ClusterDomain)
		return
	}
	f.add(ReasonHostNotFound, field, "no Service %q exists in namespace %q (host %q); %s. Create the Service or correct the host.",
		service, namespace, host, effect)
}

func (f *finder) destinationRule(rule *mesh.DestinationRule) {
	if strings.HasPrefix(rule.Host, "*") {
		return
	}
	if Service(f, rule.Host) == nil {
		f.noService("spec.host", rule.Host, "the rule has no effect")
	}
}
