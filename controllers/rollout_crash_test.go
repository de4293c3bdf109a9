package controllers

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// turns lets both reconcilers run in turns until done holds, or one of them is
// killed.
func (w *world) turns(c client.Client, discovery Discovery, done func() bool) error {
	r := w.reconciler(c)
	rollout := &Rollout{Clients: r.Clients, Events: &events.FakeRecorder{}, Now: w.now, Discovery: discovery}
	request := ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}}
	over := 0 // turns since it is done: what one decides last the other takes up
	for range 60 {
		w.tick(w.ctx, everything)
		w.tickDiscovery(w.ctx, "mesh-system")
		result, err := r.Reconcile(w.ctx, request)
		w.passed += result.RequeueAfter // it passes at once
		if errors.Is(err, errKilled) {
			return err
		}
		if _, err := rollout.Reconcile(w.ctx, request); errors.Is(err, errKilled) {
			return err
		}
		if err != nil || !done() {
			continue
		}
		if over++; over > 2 {
			return nil
		}
	}
	return fmt.Errorf("not settled after many turns: %+v", w.get("prod").Status)
}

// TestKilledAtAnyWriteOfACanaryItConverges goes through a canary that is
// promoted and one that is rolled back, to and fro between two configurations:
// unharmed until every revision has come to be and each end is known, then with
// operators each of which dies at its first write.
func TestKilledAtAnyWriteOfACanaryItConverges(t *testing.T) {
	w := newWorld(t)
	w.Cleanup(func() { w.removePods("mesh-system") })
	w.namespace("dev", map[string]string{"tier": "dev"})
	w.namespace("shop", nil)
	discovery := &talk{}
	ends := func(kind, reason string) func() bool {
		return func() bool {
			install := w.get("prod")
			c := meta.FindStatusCondition(install.Status.Conditions, kind)
			return c != nil && c.Status == "True" && c.Reason == reason && c.ObservedGeneration == install.Generation
		}
	}
	isReady := ends(v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	w.create("prod", canarySpec(devFirst)+"    retainOld: 3s\n    revisionHistoryLimit: 1\n")
	if err := w.turns(w.client, discovery, isReady); err != nil {
		t.Fatal(err)
	}
	modes := []v1alpha1.MTLSMode{v1alpha1.MTLSStrict, v1alpha1.MTLSPermissive}
	phases := []struct {
		name  string
		begin func(round int)
		done  func() bool
	}{
		{"canary", func(round int) {
			w.change(func(s *v1alpha1.MeshInstallSpec) { s.MeshConfig = &v1alpha1.MeshConfig{MTLS: &modes[round%2]} })
		}, isReady},
		{"rollback", func(int) {
			w.change(func(s *v1alpha1.MeshInstallSpec) {
				s.MeshConfig.OutboundTrafficPolicy = ptr.To(v1alpha1.OutboundRegistryOnly)
				target, err := plan.New(plan.Input{Install: "prod", Spec: *s, AdmissionPolicies: true})
				if err != nil {
					t.Fatal(err)
				}
				discovery.says(target.Revision, refusing)
			})
		}, ends(v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)},
	}
	const unharmed = 4 // rounds; in the next they die
	want := map[string]end{}
	for round := range unharmed + 1 {
		for _, phase := range phases {
			phase.begin(round)
			run := func(c client.Client) error { return w.turns(c, discovery, phase.done) }
			key := fmt.Sprint(phase.name, round%2)
			if round < unharmed {
				if err := run(w.client); err != nil {
					t.Fatalf("%s, round %d: %v", phase.name, round, err)
				}
				want[key] = w.endOf()
				continue
			}
			died := w.dying(run)
			t.Logf("%s: %d operators died", phase.name, died)
			// Each step writes what was decided, both doors and the status.
			if died < 2*4 {
				t.Errorf("%s: only %d operators died in two steps", phase.name, died)
			}
			if d := cmp.Diff(want[key], w.endOf()); d != "" {
				t.Errorf("%s: %d deaths end elsewhere (-want +got):\n%s", phase.name, died, d)
			}
		}
	}
}

// end is what is left when a phase is over.
type end struct {
	Objects   []string
	Divided   map[string][]string
	Active    string
	Newest    v1alpha1.HistoryResult
	Revisions []v1alpha1.RevisionStatus
}

func (w *world) endOf() end {
	install := w.get("prod")
	e := end{Objects: w.ownKeys(), Divided: map[string][]string{}, Active: install.Status.ActiveRevision, Newest: results(install)[0], Revisions: install.Status.Revisions}
	for _, namespace := range []string{"dev", "shop", "made-later"} {
		e.Divided[namespace] = w.openFor(namespace)
	}
	return e
}
