package plan

import (
	"github.com/meshwright/meshwright/api/v1alpha1"
)

// unserved are the wishes that the API has and this build does not meet yet. A
// wish that is met is taken off the list, so none is passed over in silence.
var unserved = []struct {
	field string
	asked func(*v1alpha1.MeshInstallSpec) bool
}{
	{"spec.update.dataPlane.restart", func(s *v1alpha1.MeshInstallSpec) bool {
		return s.Update != nil && s.Update.DataPlane != nil && s.Update.DataPlane.Restart != nil && *s.Update.DataPlane.Restart == v1alpha1.RestartEvict
	}},
}

// served refuses a wish that this build does not meet.
func served(spec *v1alpha1.MeshInstallSpec) error {
	for _, u := range unserved {
		if u.asked(spec) {
			return &Invalid{v1alpha1.ReasonNotServed, u.field, "this operator does not serve it yet; leave it out"}
		}
	}
	return nil
}
