package plan

import (
	"encoding/json"
	"fmt"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// UpdateOf is how the mesh of a spec is updated: what the spec says, over its
// profile, over what every profile begins with. All fields are set, but for
// windows, exclude and queries, which need not be. It is not part of what is
// rendered, so it enters no hash.
func UpdateOf(spec v1alpha1.MeshInstallSpec) (*v1alpha1.Update, error) {
	spec = WithDefaults(spec)
	values, err := profileValues(spec)
	if err != nil {
		return nil, err
	}
	merged, _ := values[updateKey].(map[string]any)
	if spec.Update != nil {
		wish := map[string]any{}
		if err := overwrite(wish, spec.Update); err != nil {
			return nil, err
		}
		merged = chartutil.CoalesceTables(wish, merged)
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("write spec.update of profile %s: %w", spec.Profile, err)
	}
	update := &v1alpha1.Update{}
	if err := json.Unmarshal(raw, update); err != nil {
		return nil, fmt.Errorf("read spec.update of profile %s: %w", spec.Profile, err)
	}
	return update, nil
}

// updateKey is where the chart's values and profiles have their spec.update.
const updateKey = "update"
