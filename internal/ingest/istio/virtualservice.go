package istio

import (
	"slices"
	"strings"

	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// virtualService reads the spec; nil if none of its routes is served, so that
// its hosts keep their own routing.
func (r reader) virtualService(at *field.Path, m *networkingv1alpha3.VirtualService) *mesh.VirtualService {
	out := &mesh.VirtualService{
		Meta:     r.meta,
		Gateways: r.gateways(at.Child("gateways"), m.GetGateways()),
		ExportTo: r.exportTo(at.Child("exportTo"), m.GetExportTo()),
	}
	if out.Gateways == nil {
		out.Gateways = []string{mesh.MeshGateway}
	}
	out.Hosts = r.virtualServiceHosts(at.Child("hosts"), m.GetHosts(), slices.Contains(out.Gateways, mesh.MeshGateway))
	if len(m.GetHttp())+len(m.GetTcp())+len(m.GetTls()) == 0 {
		r.refuse(at.Child("http"), "a VirtualService needs at least one route; add one to http")
	}
	caughtAll := ""
	for i, route := range m.GetHttp() {
		here := at.Child("http").Index(i)
		if caughtAll != "" {
			r.suspect(here, "is never reached: %s matches every request; put the route that has no match last", caughtAll)
		}
		if len(route.GetMatch()) == 0 && caughtAll == "" {
			caughtAll = here.String()
		}
		value := r.httpRoute(here, route)
		value.Index = i
		out.HTTP = append(out.HTTP, value)
	}
	if len(out.HTTP) == 0 {
		return nil
	}
	return out
}

func (r reader) virtualServiceHosts(at *field.Path, hosts []string, inMesh bool) []string {
	if len(hosts) == 0 {
		r.refuse(at, "at least one host is required; write the name that clients call")
	}
	var out []string
	for i, text := range hosts {
		host := r.host(at.Index(i), text)
		switch {
		case host == "*" && inMesh:
			r.refuse(at.Index(i), `"*" is for gateways only; name the hosts, or set spec.gateways`)
		case slices.Contains(out, host):
			r.refuse(at.Index(i), "%q is there twice; remove one", host)
		}
		out = append(out, host)
	}
	return out
}

// gateways completes names as Istio does: "name" and "./name" are of the own
// namespace, "name.namespace…" is the old form of "namespace/name".
func (r reader) gateways(at *field.Path, names []string) []string {
	var out []string
	for i, text := range names {
		name := text
		namespace, local, qualified := strings.Cut(text, "/")
		switch {
		case text == mesh.MeshGateway:
		case qualified && namespace == ".":
			name = r.meta.Namespace + "/" + local
		case qualified:
		default:
			local = text
			namespace = r.meta.Namespace
			if first, rest, dotted := strings.Cut(text, "."); dotted {
				local = first
				namespace, _, _ = strings.Cut(rest, ".")
			}
			name = namespace + "/" + local
		}
		if text != mesh.MeshGateway && (len(validation.IsDNS1123Label(namespace)) > 0 && namespace != "." ||
			len(validation.IsDNS1123Subdomain(local)) > 0) {
			r.refuse(at.Index(i), `%q is not a Gateway; write "namespace/name", "name" or "mesh"`, text)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// destination reads the target of a route.
func (r reader) destination(at *field.Path, m *networkingv1alpha3.Destination) mesh.Destination {
	out := mesh.Destination{Subset: m.GetSubset()}
	out.Host = r.host(at.Child("host"), m.GetHost())
	if strings.HasPrefix(out.Host, "*") {
		r.refuse(at.Child("host"), "a destination cannot be a wildcard; name one host")
	}
	if out.Subset != "" && len(validation.IsDNS1123Label(out.Subset)) > 0 {
		r.refuse(at.Child("subset"), "%q is not a subset's name; use lower case letters, digits and \"-\"", out.Subset)
	}
	if m.GetPort() != nil {
		out.Port = r.port(at.Child("port", "number"), m.GetPort().GetNumber())
	}
	return out
}
