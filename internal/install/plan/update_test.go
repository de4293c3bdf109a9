package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// asProfiles is the update of a spec that says nothing about it.
const asProfiles = `
strategy: InPlace
canary:
  steps: [{weight: 100}]
  gates: {controlPlaneReady: true, proxiesConnected: "0.99", configAcknowledged: "0.999", pushLatencyP99: 2s, workloadsReady: true, injectionDryRun: true}
  progressDeadline: 30m
  onFailure: Rollback
  approval: Automatic
  approvedStep: 0
dataPlane: {migrate: Manual, restart: Rollout, maxConcurrent: 3, maxUnavailablePerNamespace: 1}
retainOld: 0s
revisionHistoryLimit: 5
allow: {downgrade: false, skipMinor: false}
`

func updateIn(t *testing.T, raw string) *v1alpha1.Update {
	t.Helper()
	u := &v1alpha1.Update{}
	if err := yaml.UnmarshalStrict([]byte(raw), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUpdateIsTheSpecOverItsProfile(t *testing.T) {
	changed := func(change func(*v1alpha1.Update)) *v1alpha1.Update {
		u := updateIn(t, asProfiles)
		change(u)
		return u
	}
	cases := map[string]struct {
		spec string
		want *v1alpha1.Update
	}{
		"nothing said": {"", updateIn(t, asProfiles)},
		"a gate alone": {"  update: {canary: {gates: {configAcknowledged: \"1\"}}}\n", changed(func(u *v1alpha1.Update) {
			*u.Canary.Gates.ConfigAcknowledged = "1"
		})},
		"a gate turned off": {"  update: {canary: {gates: {workloadsReady: false}}}\n", changed(func(u *v1alpha1.Update) {
			*u.Canary.Gates.WorkloadsReady = false
		})},
		"steps are taken whole": {"  update: {canary: {steps: [{weight: 5, hold: 1m}, {weight: 100}]}}\n", changed(func(u *v1alpha1.Update) {
			u.Canary.Steps = updateIn(t, "canary: {steps: [{weight: 5, hold: 1m}, {weight: 100}]}").Canary.Steps
		})},
		"a number of zero": {"  update: {revisionHistoryLimit: 0}\n", changed(func(u *v1alpha1.Update) { *u.RevisionHistoryLimit = 0 })},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := plan.UpdateOf(withSpec(t, tc.spec).Spec)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
