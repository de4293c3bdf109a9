package istio

import (
	"slices"
	"strings"

	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// sidecar reads the spec. Egress listeners are one list: what is said of their
// addresses is not served, their hosts are held.
func (r reader) sidecar(at *field.Path, m *networkingv1alpha3.Sidecar) *mesh.Sidecar {
	out := &mesh.Sidecar{Meta: r.meta, Selector: m.GetWorkloadSelector().GetLabels()}
	r.labels(at.Child("workloadSelector", "labels"), out.Selector)
	if len(out.Selector) == 0 {
		out.Selector = nil
	}
	for i, listener := range m.GetEgress() {
		here := at.Child("egress").Index(i).Child("hosts")
		if len(listener.GetHosts()) == 0 {
			r.refuse(here, `at least one host is required; write "namespace/host", or "~/*" for none`)
		}
		for j, text := range listener.GetHosts() {
			out.Egress = append(out.Egress, r.egress(here.Index(j), text))
		}
	}
	slices.SortFunc(out.Egress, func(a, b mesh.Egress) int { return strings.Compare(a.String(), b.String()) })
	out.Egress = slices.Compact(out.Egress)
	if policy := m.GetOutboundTrafficPolicy(); policy != nil {
		out.Outbound = mesh.OutboundRegistryOnly
		if policy.GetMode() == networkingv1alpha3.OutboundTrafficPolicy_ALLOW_ANY {
			out.Outbound = mesh.OutboundAllowAny
		}
	}
	return out
}

// egress reads "namespace/host". A "~" before the namespace excludes; alone it
// is every namespace.
func (r reader) egress(at *field.Path, text string) mesh.Egress {
	namespace, host, ok := strings.Cut(text, "/")
	if !ok {
		r.refuse(at, `%q names no namespace; write "*/%s", or "./%s" for the own one`, text, text, text)
		return mesh.Egress{}
	}
	out := mesh.Egress{Host: strings.ToLower(host)}
	out.Namespace, out.Exclude = strings.CutPrefix(namespace, "~")
	if out.Namespace == "" && out.Exclude {
		out.Namespace = "*"
	}
	if out.Namespace != "*" && out.Namespace != "." && len(validation.IsDNS1123Label(out.Namespace)) > 0 {
		r.refuse(at, `%q begins with no namespace, nor with "*", "." or "~"`, text)
	}
	switch {
	case out.Host == "*":
	case strings.HasPrefix(out.Host, "*"):
		if len(validation.IsWildcardDNS1123Subdomain(out.Host)) > 0 {
			r.refuse(at, `%q is not a wildcard; only "*" and "*.example.com" are`, host)
		}
	case len(validation.IsDNS1123Subdomain(out.Host)) > 0:
		r.refuse(at, "%q is not a DNS name; use letters, digits, \"-\" and \".\"", host)
	case !strings.Contains(out.Host, "."):
		r.suspect(at, "%q is no full name and matches nothing; write %s.NAMESPACE.svc.%s", host, host, r.domain)
	default:
		r.suspectClusterHost(at, out.Host)
	}
	return out
}
