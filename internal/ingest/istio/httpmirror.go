package istio

import (
	"fmt"

	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// mirrors reads both forms: mirror with its percentage, and mirrors. Without a
// percentage every request is copied.
func (r reader) mirrors(at *field.Path, m *networkingv1alpha3.HTTPRoute) []mesh.Mirror {
	var out []mesh.Mirror
	if len(m.GetMirrors()) > 0 && m.GetMirror() != nil {
		r.refuse(at.Child("mirror"), "stands beside mirrors; keep mirrors")
	}
	if m.GetMirror() != nil {
		value := mesh.Mirror{Destination: r.destination(at.Child("mirror"), m.GetMirror()), Percent: 100, Field: "mirror"}
		switch {
		case m.GetMirrorPercentage() != nil:
			value.Percent = r.share(at.Child("mirrorPercentage"), m.GetMirrorPercentage())
		case m.GetMirrorPercent() != nil: //nolint:staticcheck // people have it
			value.Percent = r.share(at.Child("mirrorPercent"), &networkingv1alpha3.Percent{Value: float64(m.GetMirrorPercent().GetValue())}) //nolint:staticcheck // people have it
		}
		out = append(out, value)
	}
	for i, mirror := range m.GetMirrors() {
		here := at.Child("mirrors").Index(i)
		if mirror.GetDestination() == nil {
			r.refuse(here.Child("destination"), "is required; name the host")
			continue
		}
		value := mesh.Mirror{Destination: r.destination(here.Child("destination"), mirror.GetDestination()), Percent: 100, Field: fmt.Sprintf("mirrors[%d].destination", i)}
		if mirror.GetPercentage() != nil {
			value.Percent = r.share(here.Child("percentage"), mirror.GetPercentage())
		}
		out = append(out, value)
	}
	if len(out) > 0 && len(m.GetRoute()) == 0 {
		r.suspect(at, "mirrors nothing: only requests that are sent to a route are copied")
	}
	return out
}
