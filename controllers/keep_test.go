package controllers

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// spoil changes one object of a revision's control plane and deletes another.
func (w *world) spoil(revision string) {
	w.Helper()
	name := "meshwright-discovery-" + revision
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: name}}
	if err := w.client.Delete(w.ctx, config); err != nil {
		w.Fatal(err)
	}
	discovery := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":3}}`))
	if err := w.client.Patch(w.ctx, discovery, patch, client.FieldOwner("someone")); err != nil {
		w.Fatal(err)
	}
}

// whole waits until a revision's control plane is as it was.
func (w *world) whole(revision string) {
	w.Helper()
	name := "mesh-system/meshwright-discovery-" + revision
	w.eventually("revision "+revision+" is whole again", func() error {
		own := w.own()
		if own["ConfigMap "+name] == nil {
			return fmt.Errorf("its ConfigMap is gone")
		}
		if d := own["Deployment "+name]; d == nil || d.Object["spec"].(map[string]any)["replicas"] != int64(1) {
			return fmt.Errorf("its Deployment is %v", d)
		}
		return nil
	})
}

func TestTheMeshThatServesIsRepairedWhileTheSpecCannotBeMet(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	cases := map[string]struct {
		reason string
		change func(*v1alpha1.MeshInstallSpec)
	}{
		"an unknown version":        {v1alpha1.ReasonUnknownVersion, func(s *v1alpha1.MeshInstallSpec) { s.Version = "v9.9.9" }},
		"a value that is not there": {v1alpha1.ReasonInvalidValues, func(s *v1alpha1.MeshInstallSpec) { s.Values = &runtime.RawExtension{Raw: []byte(`{"proxi": {}}`)} }},
		"an object with values missing": {v1alpha1.ReasonValuesNotFound, func(s *v1alpha1.MeshInstallSpec) {
			s.ValuesFrom = []v1alpha1.ValuesSource{{Kind: v1alpha1.ValuesFromConfigMap, Name: "tuning"}}
		}},
		"a patch that changes nothing": {v1alpha1.ReasonInvalidPatch, func(s *v1alpha1.MeshInstallSpec) {
			s.Patches = []v1alpha1.Patch{{Target: v1alpha1.PatchTarget{Kind: "Deployment", Name: "none"}, Patch: "spec: {paused: true}"}}
		}},
		"a namespace without rights": {v1alpha1.ReasonNamespaceNotPrepared, func(s *v1alpha1.MeshInstallSpec) {
			s.Components = &v1alpha1.Components{Gateways: []v1alpha1.Gateway{{Name: "edge", Namespace: "shop", Kind: ptr.To(v1alpha1.GatewayIngress)}}}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, client: w.client, ctx: w.ctx}
			install := w.ready("prod")
			good := install.Spec
			active := install.Status.ActiveRevision
			keys := w.ownKeys()
			w.change(tc.change)
			w.condition("prod", v1alpha1.ConditionStalled, tc.reason)
			w.spoil(active)
			w.whole(active)
			w.condition("prod", v1alpha1.ConditionStalled, tc.reason)
			w.condition("prod", v1alpha1.ConditionAvailable, v1alpha1.ReasonAsWanted)
			if d := cmp.Diff(keys, w.ownKeys()); d != "" {
				t.Errorf("objects (-want +got):\n%s", d)
			}
			w.change(func(s *v1alpha1.MeshInstallSpec) { *s = good })
			if now := w.ready("prod").Status.ActiveRevision; now != active {
				t.Errorf("revision is %s, was %s", now, active)
			}
		})
	}
}

func TestStatusSaysBothThatTheSpecIsWrongAndThatTheMeshIsDown(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	off := false
	w.runPods(func(string) bool { return !off })
	w.create("prod", "  profile: minimal\n")
	active := w.ready("prod").Status.ActiveRevision
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Version = "v9.9.9" })
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonUnknownVersion)
	off = true
	d := &appsv1.Deployment{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-discovery-" + active}, d); err != nil {
		t.Fatal(err)
	}
	w.eventually("the pods are lost", func() error { return w.setReady(w.ctx, d, 0) })
	w.condition("prod", v1alpha1.ConditionDegraded, v1alpha1.ReasonComponentNotReady)
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonUnknownVersion)
	if meta.IsStatusConditionTrue(w.get("prod").Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Error("it is Available, though no pod of discovery runs")
	}
	off = false
	w.condition("prod", v1alpha1.ConditionAvailable, v1alpha1.ReasonAsWanted)
}

func TestACanaryStaysAsItIsDividedWhileTheSpecCannotBeMet(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1"))
	first := w.ready("prod").Status.ActiveRevision
	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("prod").Status.TargetRevision
	w.divided(map[string]string{"dev": second, "shop": first})

	// What would be approved is not begun: nobody knows what is wanted.
	w.change(func(s *v1alpha1.MeshInstallSpec) {
		s.Version, s.Update.Canary.ApprovedStep = "v9.9.9", ptr.To[int32](2)
	})
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonUnknownVersion)
	for _, revision := range []string{first, second} {
		w.spoil(revision)
		door := ofKind(policyKinds[1])
		door.SetName("meshwright-injector-" + revision)
		if err := w.client.Delete(w.ctx, door); err != nil {
			t.Fatal(err)
		}
	}
	w.whole(first)
	w.whole(second)
	w.divided(map[string]string{"dev": second, "shop": first})
	if u := w.record(second).Status.Update; u.Step != 1 {
		t.Errorf("the canary went on to step %d", u.Step)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Version = "v0.1.0" })
	if now := w.ready("prod").Status.ActiveRevision; now != second {
		t.Errorf("revision is %s, want %s", now, second)
	}
}

func TestAMeshWhoseRemovalWaitsIsRepaired(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", "  profile: minimal\n")
	install := w.ready("prod")
	active := install.Status.ActiveRevision
	w.deploy("shop", "cart", active, func(*appsv1.Deployment) {})
	if err := w.client.Delete(w.ctx, install); err != nil {
		t.Fatal(err)
	}
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonDeleteBlocked)
	w.spoil(active)
	w.whole(active)
	if got := w.openFor("shop"); !slices.Equal(got, []string{active}) {
		t.Errorf("new pods are injected by %v", got)
	}
}
