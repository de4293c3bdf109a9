package controllers

import (
	"errors"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// situation is what a reconciliation ends with.
type situation struct {
	// active and target are revisions; active may be empty.
	active, target string
	// serving is whether the target's Deployments have pods.
	serving bool
	outcome error
	// degraded is a fault beside Ready.
	degraded *Waiting
	// generation of the MeshInstall when kstatus looks; 2 was reconciled.
	generation int64
	deleted    bool
	mode       v1alpha1.Mode
	// planned is what would change in the mode Plan.
	planned []apply.Planned
}

func (s situation) status() *v1alpha1.MeshInstallStatus {
	scope := &scope{
		install: &v1alpha1.MeshInstall{Spec: v1alpha1.MeshInstallSpec{Mode: s.mode, Namespace: "mesh-system"}}, planned: s.planned,
		target: &plan.Plan{Revision: s.target}, inventory: &apply.Inventory{Active: s.active}, degraded: s.degraded,
		states: []apply.State{{Ref: apply.Ref{Kind: "Deployment"}, Serving: s.serving}},
	}
	if s.mode == v1alpha1.ModePlan {
		scope.planRef = "meshwright-plan-prod"
	}
	out := &v1alpha1.MeshInstallStatus{}
	scope.report(out)
	setConditions(out, 2, scope.verdict(s.outcome, out))
	return out
}

func TestEachSituationIsRightUnderKstatus(t *testing.T) {
	waiting := &Waiting{Reason: v1alpha1.ReasonProgressing, Message: "Deployment a/b: 0 of 1"}
	lost := &Waiting{Reason: v1alpha1.ReasonComponentNotReady, Message: "Deployment a/b: 0 of 1"}
	stalled := &Stalled{Reason: v1alpha1.ReasonUnknownVersion, Message: "spec.version: no"}
	cases := map[string]struct {
		situation
		want                status.Status
		available, degraded bool
	}{
		"ready":                           {situation{active: "a", target: "a", serving: true, outcome: nil, degraded: nil, generation: 2, deleted: false}, status.CurrentStatus, true, false},
		"first installation":              {situation{active: "", target: "a", serving: false, outcome: waiting, degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, false, false},
		"change under way":                {situation{active: "a", target: "b", serving: false, outcome: waiting, degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, true, false},
		"a mistake at first":              {situation{active: "", target: "a", serving: false, outcome: stalled, degraded: nil, generation: 2, deleted: false}, status.FailedStatus, false, false},
		"a mistake in a change":           {situation{active: "a", target: "b", serving: false, outcome: stalled, degraded: nil, generation: 2, deleted: false}, status.FailedStatus, true, false},
		"a Deployment without progress":   {situation{active: "a", target: "b", serving: false, outcome: &Stalled{Reason: v1alpha1.ReasonDeadlineExceeded, Message: "x"}, degraded: nil, generation: 2, deleted: false}, status.FailedStatus, true, false},
		"all pods of a component lost":    {situation{active: "a", target: "a", serving: false, outcome: lost, degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, false, true},
		"one of two pods lost":            {situation{active: "a", target: "a", serving: true, outcome: lost, degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, true, true},
		"ready without a load balancer":   {situation{active: "a", target: "a", serving: true, outcome: nil, degraded: &Waiting{Reason: v1alpha1.ReasonAddressPending, Message: "no"}, generation: 2, deleted: false}, status.CurrentStatus, true, true},
		"a request that did not succeed":  {situation{active: "a", target: "a", serving: true, outcome: errors.New("the server is away"), degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, true, false},
		"a newer spec, not looked at yet": {situation{active: "a", target: "a", serving: true, outcome: nil, degraded: nil, generation: 3, deleted: false}, status.InProgressStatus, true, false},
		"a canary under way":              {situation{active: "a", target: "b", serving: true, outcome: &Waiting{Reason: v1alpha1.ReasonCanary, Message: "step 1 of 3"}, degraded: nil, generation: 2, deleted: false}, status.InProgressStatus, true, false},
		"an update that was rolled back":  {situation{active: "a", target: "a", serving: true, outcome: &Stalled{Reason: v1alpha1.ReasonRolledBack, Message: "a gate"}, degraded: nil, generation: 2, deleted: false}, status.FailedStatus, true, false},
		"being deleted":                   {situation{active: "a", target: "a", serving: true, outcome: &Waiting{Reason: v1alpha1.ReasonUninstalling, Message: "x"}, degraded: nil, generation: 2, deleted: true}, status.TerminatingStatus, true, false},
		"a plan that changes something":   {situation{active: "a", target: "b", generation: 2, mode: v1alpha1.ModePlan, planned: []apply.Planned{{}}}, status.CurrentStatus, true, false},
		"a plan of nothing":               {situation{active: "a", target: "a", serving: true, generation: 2, mode: v1alpha1.ModePlan}, status.CurrentStatus, true, false},
		"paused before a change":          {situation{active: "a", target: "b", generation: 2, mode: v1alpha1.ModePaused}, status.CurrentStatus, true, false},
		"paused, and a component lost":    {situation{active: "a", target: "a", outcome: lost, generation: 2, mode: v1alpha1.ModePaused}, status.InProgressStatus, false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			install := &v1alpha1.MeshInstall{Status: *tc.situation.status()}
			install.APIVersion, install.Kind, install.Name = v1alpha1.GroupVersion.String(), "MeshInstall", "prod"
			install.Generation = tc.generation
			if tc.deleted {
				now := metav1.Now()
				install.DeletionTimestamp = &now
			}
			fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(install)
			if err != nil {
				t.Fatal(err)
			}
			result, err := status.Compute(&unstructured.Unstructured{Object: fields})
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != tc.want {
				t.Errorf("kstatus says %s (%s), want %s", result.Status, result.Message, tc.want)
			}
			if health, message := argoHealth(t, fields); health != healthOf[tc.want] || message == "" {
				t.Errorf("Argo CD says %s (%s), want %s", health, message, healthOf[tc.want])
			}
			is := func(kind string) bool { return meta.IsStatusConditionTrue(install.Status.Conditions, kind) }
			headlines := 0
			for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
				if is(kind) {
					headlines++
				}
			}
			if headlines != 1 {
				t.Errorf("%d headlines are True: %+v", headlines, install.Status.Conditions)
			}
			if is(v1alpha1.ConditionAvailable) != tc.available || is(v1alpha1.ConditionDegraded) != tc.degraded {
				t.Errorf("Available %v, Degraded %v; want %v, %v", is(v1alpha1.ConditionAvailable), is(v1alpha1.ConditionDegraded), tc.available, tc.degraded)
			}
			if len(install.Status.Conditions) != 6 {
				t.Errorf("%d conditions, want all six", len(install.Status.Conditions))
			}
			for _, c := range install.Status.Conditions {
				if c.ObservedGeneration != 2 || c.Reason == "" {
					t.Errorf("condition %+v", c)
				}
			}
		})
	}
}
