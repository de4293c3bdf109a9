package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
)

// planned waits for a plan of this generation, and returns it with its text.
func (w *world) planned(reason string) (v1alpha1.PlanStatus, string) {
	w.Helper()
	w.condition("prod", v1alpha1.ConditionReady, reason)
	status := w.get("prod").Status.Plan
	if status == nil {
		w.Fatal("the status has no plan")
	}
	var stored corev1.ConfigMap
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: status.DiffRef.Name}, &stored); err != nil {
		w.Fatal(err)
	}
	return *status, stored.Data["diff"]
}

// writesSince are the operator's writes after the first n, but for its lease,
// each once.
func (w *world) writesSince(n int) map[string]bool {
	w.Helper()
	out := map[string]bool{}
	for _, write := range w.operatorWrites()[n:] {
		if write.Resource != "leases" && write.Resource != "events" {
			out[strings.TrimSuffix(write.Resource+"/"+write.Subresource, "/")+" "+write.Name] = true
		}
	}
	return out
}

func TestPlanOfANewMeshWritesNothingElse(t *testing.T) {
	w := newWorld(t)
	before := len(w.operatorWrites())
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n  mode: Plan\n")
	status, text := w.planned(v1alpha1.ReasonPlanned)
	if len(w.own()) != 1 || len(w.get("prod").Finalizers) != 0 {
		t.Errorf("there are %v, held by %v; want the plan's ConfigMap alone", w.ownKeys(), w.get("prod").Finalizers)
	}
	want := map[string]bool{"meshinstalls/status prod": true, "configmaps meshwright-plan-prod": true}
	if d := cmp.Diff(want, w.writesSince(before)); d != "" {
		t.Errorf("writes (-want +got):\n%s", d)
	}
	if status.Create < 7 || status.Update+status.Delete+status.Unchanged != 0 {
		t.Errorf("the plan is %+v", status)
	}
	for _, part := range []string{"--- live/apps.v1.Deployment.mesh-system.meshwright-discovery-prod-", "+kind: MutatingAdmissionPolicyBinding"} {
		if !strings.Contains(text, part) {
			t.Errorf("the difference lacks %q:\n%s", part, text)
		}
	}
	install := w.get("prod")
	if install.Status.TargetRevision == "" || install.Status.ActiveRevision != "" || len(install.Status.Revisions) != 0 {
		t.Errorf("status is %+v", install.Status)
	}

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModeApply })
	w.condition("prod", v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	if made := len(w.own()) - 2; made != int(status.Create) { // without the inventory and the MeshRevision
		t.Errorf("%d objects were made, the plan said %d: %v", made, status.Create, w.ownKeys())
	}
	if w.isThere(planMap(&scope{install: install})) || w.get("prod").Status.Plan != nil {
		t.Error("the plan is still there")
	}
}

func TestPlanOfAChangeShowsItAndComesTrue(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	// What `meshwright diff` does.
	planned, err := Preview(w.ctx, w.server.Config, nil, w.ready("prod"), nil)
	if n := apply.Count(planned); err != nil || n.Create+n.Update+n.Delete != 0 || n.Unchanged < 7 {
		t.Errorf("error is %v, and the mesh as it is would change: %+v", err, n)
	}
	keys, before := w.ownKeys(), len(w.operatorWrites())
	w.change(func(s *v1alpha1.MeshInstallSpec) {
		s.Mode = v1alpha1.ModePlan
		strict := v1alpha1.MTLSStrict
		s.MeshConfig = &v1alpha1.MeshConfig{MTLS: &strict}
	})
	status, text := w.planned(v1alpha1.ReasonPlanned)
	want := map[string]bool{"meshinstalls/status prod": true, "configmaps meshwright-plan-prod": true}
	if d := cmp.Diff(want, w.writesSince(before)); d != "" {
		t.Errorf("writes (-want +got):\n%s", d)
	}
	if !strings.Contains(text, "\n-    mtls: Permissive\n") || !strings.Contains(text, "\n+    mtls: Strict\n") {
		t.Errorf("the difference is not in:\n%s", text)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModeApply })
	w.condition("prod", v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	created, deleted := 0, 0
	after := w.ownKeys()
	for _, key := range after {
		if !strings.Contains(strings.Join(keys, " ")+" ", key+" ") && !strings.HasPrefix(key, "MeshRevision") {
			created++
		}
	}
	for _, key := range keys {
		if !strings.Contains(strings.Join(after, " ")+" ", key+" ") {
			deleted++
		}
	}
	if created != int(status.Create) || deleted != int(status.Delete) {
		t.Errorf("%d objects were created and %d deleted, the plan said %+v", created, deleted, status)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModePlan })
	status, text = w.planned(v1alpha1.ReasonReady)
	if status.Create+status.Update+status.Delete != 0 || status.Unchanged == 0 || text != "" {
		t.Errorf("there is something left to do, %+v:\n%s", status, text)
	}
}

func TestPlanKeepsARevisionThatIsRetained(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n  update: {retainOld: 1h}\n")
	w.ready("prod")
	change := func(mode v1alpha1.Mode, level string) {
		t.Helper()
		w.change(func(s *v1alpha1.MeshInstallSpec) {
			s.Mode, s.Values = mode, rawValues("proxy: {logLevel: "+level+"}")
		})
	}
	// Beside what serves, then beside what is kept from before as well.
	for _, level := range []string{"info", "debug"} {
		change(v1alpha1.ModePlan, level)
		if status, text := w.planned(v1alpha1.ReasonPlanned); status.Delete != 0 || status.Create < 5 {
			t.Errorf("the plan for log level %s is %+v:\n%s", level, status, text)
		}
		change(v1alpha1.ModeApply, level)
		w.ready("prod")
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModePlan })
	if status, text := w.planned(v1alpha1.ReasonReady); text != "" || status.Delete != 0 {
		t.Errorf("there is something left to do, %+v:\n%s", status, text)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.RetainOld = &metav1.Duration{} })
	if status, _ := w.planned(v1alpha1.ReasonPlanned); status.Delete < 8 || status.Create != 0 {
		t.Errorf("with nothing retained any more the plan is %+v", status)
	}
}

func TestPausedWritesNothingUntilItGoesOn(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	first := w.ready("prod").Status.ActiveRevision
	before := len(w.operatorWrites())
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModePaused })
	w.condition("prod", v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Tags = []string{"default", "stable"} })
	c := w.condition("prod", v1alpha1.ConditionReady, v1alpha1.ReasonPaused)
	if want := fmt.Sprintf("spec.mode is Paused: revision %s is not installed", w.get("prod").Status.TargetRevision); c.Message != want {
		t.Errorf("message is %q, want %q", c.Message, want)
	}
	if d := cmp.Diff(map[string]bool{"meshinstalls/status prod": true}, w.writesSince(before)); d != "" {
		t.Errorf("writes (-want +got):\n%s", d)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModeApply })
	w.eventually("the change is made", func() error {
		if now := w.ready("prod").Status.ActiveRevision; now == first {
			return fmt.Errorf("it is still %s", now)
		}
		return nil
	})
}
