package istio

import (
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (r reader) destinationRule(at *field.Path, m *networkingv1alpha3.DestinationRule) *mesh.DestinationRule {
	out := &mesh.DestinationRule{
		Meta:             r.meta,
		Host:             r.host(at.Child("host"), m.GetHost()),
		ExportTo:         r.exportTo(at.Child("exportTo"), m.GetExportTo()),
		Policy:           r.policy(at.Child("trafficPolicy"), m.GetTrafficPolicy()),
		WorkloadSelector: m.GetWorkloadSelector().GetMatchLabels(),
	}
	r.labels(at.Child("workloadSelector", "matchLabels"), out.WorkloadSelector)
	seen := map[string]bool{}
	for i, subset := range m.GetSubsets() {
		here := at.Child("subsets").Index(i)
		value := mesh.Subset{
			Name:   subset.GetName(),
			Labels: subset.GetLabels(),
			Policy: r.policy(here.Child("trafficPolicy"), subset.GetTrafficPolicy()),
		}
		switch {
		case value.Name == "":
			r.refuse(here.Child("name"), "is required; VirtualServices name the subset by it")
		case len(validation.IsDNS1123Label(value.Name)) > 0:
			r.refuse(here.Child("name"), `%q is not a name; use lower case letters, digits and "-"`, value.Name)
		case seen[value.Name]:
			r.refuse(here.Child("name"), "%q is there twice; rename or remove one", value.Name)
		}
		seen[value.Name] = true
		r.labels(here.Child("labels"), value.Labels)
		if len(value.Labels) == 0 {
			r.suspect(here.Child("labels"), "is empty, so the subset holds every endpoint of the host; add the labels of the pods that are meant")
		}
		out.Subsets = append(out.Subsets, value)
	}
	return out
}
