package controllers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// wanted are the keys, as own has them, of what a MeshInstall asks for.
func (w *world) wanted(install *v1alpha1.MeshInstall) []string {
	w.Helper()
	p, err := plan.New(plan.Input{Install: install.Name, Spec: install.Spec, AdmissionPolicies: true})
	if err != nil {
		w.Fatal(err)
	}
	keys := []string{"MeshRevision /" + p.Revision, "ConfigMap " + p.Namespace + "/meshwright-inventory-" + install.Name}
	for _, o := range slices.Concat(p.RevisionSet, p.Door(plan.Everywhere), p.InstallSet) {
		keys = append(keys, o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName())
	}
	slices.Sort(keys)
	return keys
}

func (w *world) ownKeys() []string { return slices.Sorted(maps.Keys(w.own())) }

func TestMeshInstallComesUpAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: demo\n")
	install := w.ready("prod")

	if d := cmp.Diff(w.wanted(install), w.ownKeys()); d != "" {
		t.Errorf("objects differ from the plan (-want +got):\n%s", d)
	}
	for key, o := range w.own() {
		if owner := metav1.GetControllerOf(o); owner == nil || owner.UID != install.UID {
			t.Errorf("%s is owned by %v", key, owner)
		}
	}
	status := install.Status
	if status.ActiveRevision != status.TargetRevision || status.Version != "v0.1.0" || status.ObservedGeneration != install.Generation {
		t.Errorf("status is %+v", status)
	}
	want := []v1alpha1.ComponentStatus{
		{Name: "discovery", Ready: 1, Desired: 1},
		{Name: "gateway/mesh-egress/egress", Ready: 1, Desired: 1},
		{Name: "gateway/mesh-ingress/ingress", Ready: 1, Desired: 1},
		{Name: "injector", Message: "the API server injects pods, by MutatingAdmissionPolicy meshwright-injector-" + status.ActiveRevision},
	}
	for i := range want {
		want[i].Revision, want[i].Version = install.Status.ActiveRevision, "v0.1.0"
	}
	if d := cmp.Diff(want, status.Components); d != "" {
		t.Errorf("components (-want +got):\n%s", d)
	}
	if install.Generation != 1 {
		t.Errorf("the spec was written: generation is %d", install.Generation)
	}
	for _, f := range install.ManagedFields {
		if f.Manager != "git" && strings.Contains(f.FieldsV1.GetRawString(), `"f:spec"`) {
			t.Errorf("%s manages fields of the spec: %s", f.Manager, f.FieldsV1.GetRawString())
		}
	}
}

func TestGatewaysLoadBalancerAddressIsInTheStatus(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "")
	install := w.ready("prod")
	at := slices.IndexFunc(install.Status.Components, func(c v1alpha1.ComponentStatus) bool {
		return c.Name == "gateway/mesh-ingress/ingress"
	})
	if at < 0 || !slices.Equal(install.Status.Components[at].Addresses, []string{"192.0.2.7"}) {
		t.Errorf("components are %+v", install.Status.Components)
	}
}

func TestNothingPointsAtARevisionBeforeItIsReady(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.create("prod", "  profile: minimal\n")
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing)
	w.eventually("the Deployments are there", func() error {
		var list appsv1.DeploymentList
		if err := w.client.List(w.ctx, &list, client.InNamespace("mesh-system")); err != nil || len(list.Items) != 1 {
			return fmt.Errorf("%d Deployments, %w", len(list.Items), err)
		}
		return nil
	})
	for key, o := range w.own() {
		if key == "Service mesh-system/meshwright-discovery" || w.open(o) {
			t.Errorf("%s is there, and pods would wait for it", key)
		}
	}
	w.runPods(everything)
	w.ready("prod")
}

func TestNothingIsWrittenAtRest(t *testing.T) {
	w := newWorld(t)
	stop := w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: demo\n")
	w.ready("prod")
	// What is under way ends: the events of the last steps, a lagging cache.
	time.Sleep(2 * time.Second)
	before := len(w.operatorWrites())
	if before < 15 {
		t.Fatalf("the audit log has %d writes of the operator, it cannot be right", before)
	}
	time.Sleep(5 * time.Second)
	if writes := w.operatorWrites()[before:]; len(writes) > 0 {
		t.Errorf("written at rest: %+v", writes)
	}
	// A new process knows nothing and looks at everything once.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.operate(w.operatorConfig())
	w.eventually("the new operator leads", w.leads)
	time.Sleep(5 * time.Second)
	if writes := w.operatorWrites()[before:]; len(writes) > 0 {
		t.Errorf("a new operator writes over a mesh at rest: %+v", writes)
	}
}

// holder is who holds the operator's lease; empty when nobody does.
func (w *world) holder() string {
	w.Helper()
	lease := &coordinationv1.Lease{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: operatorNamespace, Name: leaderID}, lease); client.IgnoreNotFound(err) != nil {
		w.Fatal(err)
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// leads is nil when some operator holds the lease.
func (w *world) leads() error {
	if w.holder() == "" {
		return errors.New("nobody holds the lease")
	}
	return nil
}

func TestConfigurationChangeReplacesTheRevisionInOrder(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	first := w.ready("prod").Status.ActiveRevision

	w.change(func(spec *v1alpha1.MeshInstallSpec) {
		mode := v1alpha1.MTLSStrict
		spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: &mode}
	})
	install := w.ready("prod")
	second := install.Status.ActiveRevision
	if second == first {
		t.Fatalf("revision %s did not change", first)
	}
	want := append(w.wanted(install), "MeshRevision /"+first, "Service mesh-system/meshwright-discovery-"+first)
	slices.Sort(want)
	if d := cmp.Diff(want, w.ownKeys()); d != "" {
		t.Errorf("objects (-want +got):\n%s", d)
	}
	// Proxies of the first revision find discovery under the name they have.
	for _, name := range []string{"meshwright-discovery", "meshwright-discovery-" + first, "meshwright-discovery-" + second} {
		if got := w.selected(name); got != second {
			t.Errorf("Service %s leads to %s, want %s", name, got, second)
		}
	}
	phases := []v1alpha1.RevisionStatus{
		{Name: first, Version: "v0.1.0", Phase: v1alpha1.RevisionRetired}, {Name: second, Version: "v0.1.0", Phase: v1alpha1.RevisionActive},
	}
	slices.SortFunc(phases, func(a, b v1alpha1.RevisionStatus) int { return strings.Compare(a.Name, b.Name) })
	if d := cmp.Diff(phases, install.Status.Revisions); d != "" {
		t.Errorf("revisions (-want +got):\n%s", d)
	}
}

// selected is the revision whose pods a Service of mesh-system selects.
func (w *world) selected(service string) string {
	w.Helper()
	return w.leadsTo("mesh-system", service)
}

// leadsTo is the revision to which a Service leads, empty for all.
func (w *world) leadsTo(namespace, service string) string {
	w.Helper()
	var s corev1.Service
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: service}, &s); err != nil {
		w.Fatal(err)
	}
	return s.Spec.Selector[plan.LabelRevision]
}

func TestOldRevisionServesUntilTheNewOneIsReadyAndGoesBackUnharmed(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	first := ""
	w.runPods(func(name string) bool {
		return first == "" || strings.HasSuffix(name, first)
	})
	w.create("prod", "  profile: minimal\n")
	old := w.ready("prod")
	keys := w.ownKeys()
	first = old.Status.ActiveRevision

	setMode := func(mode v1alpha1.MTLSMode) {
		w.change(func(spec *v1alpha1.MeshInstallSpec) { spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: &mode} })
	}
	setMode(v1alpha1.MTLSStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing)
	install := w.get("prod")
	if install.Status.ActiveRevision != first || install.Status.TargetRevision == first {
		t.Errorf("active is %s, target %s, the first was %s", install.Status.ActiveRevision, install.Status.TargetRevision, first)
	}
	if got := w.selected("meshwright-discovery"); got != first {
		t.Errorf("the stable Service leads to %s before it is ready", got)
	}
	// Drift of the revision that serves is put right meanwhile.
	if err := w.client.Delete(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "meshwright-discovery-" + first}}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the serving revision is whole again", func() error {
		if own := w.own(); own["ConfigMap mesh-system/meshwright-discovery-"+first] == nil {
			return fmt.Errorf("its ConfigMap is gone")
		}
		return nil
	})
	setMode(v1alpha1.MTLSPermissive)
	w.ready("prod")
	w.eventually("the abandoned revision is gone", func() error {
		if d := cmp.Diff(keys, w.ownKeys()); d != "" {
			return fmt.Errorf("objects (-want +got):\n%s", d)
		}
		return nil
	})
}

func TestLostPodsDegradeTheMesh(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	off := false
	w.runPods(func(string) bool { return !off })
	w.create("prod", "  profile: minimal\n")
	install := w.ready("prod")
	off = true
	var d appsv1.Deployment
	name := "meshwright-discovery-" + install.Status.ActiveRevision
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: name}, &d); err != nil {
		t.Fatal(err)
	}
	w.eventually("the pods are lost", func() error { return w.setReady(w.ctx, &d, 0) })
	c := w.condition("prod", v1alpha1.ConditionDegraded, v1alpha1.ReasonComponentNotReady)
	if !strings.Contains(c.Message, "Deployment mesh-system/"+name) {
		t.Errorf("message is %q", c.Message)
	}
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonComponentNotReady)
	off = false
	w.ready("prod")
}
