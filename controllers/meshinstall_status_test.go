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
}

func (s situation) status() *v1alpha1.MeshInstallStatus {
	scope := &scope{
		install: &v1alpha1.MeshInstall{},
		target:  &plan.Plan{Revision: s.target}, inventory: &apply.Inventory{Active: s.active}, degraded: s.degraded,
		states: []apply.State{{Ref: apply.Ref{Kind: "Deployment"}, Serving: s.serving}},
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
		"ready":                           {situation{"a", "a", true, nil, nil, 2, false}, status.CurrentStatus, true, false},
		"first installation":              {situation{"", "a", false, waiting, nil, 2, false}, status.InProgressStatus, false, false},
		"change under way":                {situation{"a", "b", false, waiting, nil, 2, false}, status.InProgressStatus, true, false},
		"a mistake at first":              {situation{"", "a", false, stalled, nil, 2, false}, status.FailedStatus, false, false},
		"a mistake in a change":           {situation{"a", "b", false, stalled, nil, 2, false}, status.FailedStatus, true, false},
		"a Deployment without progress":   {situation{"a", "b", false, &Stalled{Reason: v1alpha1.ReasonDeadlineExceeded, Message: "x"}, nil, 2, false}, status.FailedStatus, true, false},
		"all pods of a component lost":    {situation{"a", "a", false, lost, nil, 2, false}, status.InProgressStatus, false, true},
		"one of two pods lost":            {situation{"a", "a", true, lost, nil, 2, false}, status.InProgressStatus, true, true},
		"ready without a load balancer":   {situation{"a", "a", true, nil, &Waiting{Reason: v1alpha1.ReasonAddressPending, Message: "no"}, 2, false}, status.CurrentStatus, true, true},
		"a request that did not succeed":  {situation{"a", "a", true, errors.New("the server is away"), nil, 2, false}, status.InProgressStatus, true, false},
		"a newer spec, not looked at yet": {situation{"a", "a", true, nil, nil, 3, false}, status.InProgressStatus, true, false},
		"a canary under way":              {situation{"a", "b", true, &Waiting{Reason: v1alpha1.ReasonCanary, Message: "step 1 of 3"}, nil, 2, false}, status.InProgressStatus, true, false},
		"an update that was rolled back":  {situation{"a", "a", true, &Stalled{Reason: v1alpha1.ReasonRolledBack, Message: "a gate"}, nil, 2, false}, status.FailedStatus, true, false},
		"being deleted":                   {situation{"a", "a", true, &Waiting{Reason: v1alpha1.ReasonUninstalling, Message: "x"}, nil, 2, true}, status.TerminatingStatus, true, false},
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
			if len(install.Status.Conditions) != 5 {
				t.Errorf("%d conditions, want all five", len(install.Status.Conditions))
			}
			for _, c := range install.Status.Conditions {
				if c.ObservedGeneration != 2 || c.Reason == "" {
					t.Errorf("condition %+v", c)
				}
			}
		})
	}
}
