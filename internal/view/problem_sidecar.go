package view

import (
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// sidecar names entries that hold nothing, and an older Sidecar that holds for
// the same pods.
func (f *finder) sidecar(s *mesh.Sidecar) {
	if len(s.Selector) == 0 {
		first := oldestSidecar(f, s.Namespace, func(o *mesh.Sidecar) bool { return len(o.Selector) == 0 })
		if first != nil && first.Name != s.Name {
			f.add(ReasonNamespaceClaimed, "spec.workloadSelector",
				"Sidecar %q of this namespace is older and selects all of its pods too; this one has no effect. Give it a workloadSelector, or delete one of them.", first.Name)
		}
	}
	for _, e := range s.Egress {
		if e.Exclude || strings.HasPrefix(e.Host, "*") || len(f.List(virtualServicesOf(mesh.MeshGateway, e.Host))) > 0 {
			continue
		}
		service := Service(f, e.Host)
		switch {
		case service == nil:
			f.noService("spec.egress", e.Host, "the entry holds nothing")
		case e.Namespace != "*" && e.Namespace != "." && e.Namespace != service.Namespace:
			f.add(ReasonHostNotFound, "spec.egress", "%q holds nothing: the host is of namespace %q. Write %s/%s.",
				e, service.Namespace, service.Namespace, e.Host)
		}
	}
}
