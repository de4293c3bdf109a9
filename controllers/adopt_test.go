package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// leaveRendered puts there what kubectl would of meshwright render, without the
// labels by which the operator knows its own, and returns what that is; change may
// spoil an object.
func (w *world) leaveRendered(change func(*unstructured.Unstructured)) *plan.Plan {
	w.Helper()
	p, err := plan.New(plan.Input{Install: "prod", Spec: w.specOf(""), AdmissionPolicies: true})
	if err != nil {
		w.Fatal(err)
	}
	for _, o := range append(p.RevisionSet, p.InstallSet...) {
		o = o.DeepCopy()
		labels := o.GetLabels()
		delete(labels, plan.LabelInstall)
		delete(labels, plan.LabelManagedBy)
		o.SetLabels(labels)
		change(o)
		if err := w.client.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("kubectl"), client.ForceOwnership); err != nil {
			w.Fatal(err)
		}
		w.Cleanup(func() { _ = w.client.Delete(w.ctx, o) })
	}
	return p
}

func TestAdoptionTakesOverWithoutARestart(t *testing.T) {
	w := newWorld(t)
	rendered := w.leaveRendered(func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{"team": "platform"}) })
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "")
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonObjectConflict)
	if !strings.Contains(c.Message, "exists and belongs to somebody else: kubectl; delete it, or set spec.adoption.enabled to take it over") {
		t.Errorf("message is %q", c.Message)
	}
	discovery := &appsv1.Deployment{}
	service := &corev1.Service{}
	read := func() {
		t.Helper()
		for o, key := range map[client.Object]client.ObjectKey{discovery: {Namespace: "mesh-system", Name: "meshwright-discovery-" + rendered.Revision}, service: {Namespace: "mesh-ingress", Name: "meshwright-ingress"}} {
			if err := w.client.Get(w.ctx, key, o); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	before, address := discovery.DeepCopy(), service.Spec.ClusterIP

	w.change(func(s *v1alpha1.MeshInstallSpec) {
		s.Mode, s.Adoption = v1alpha1.ModePlan, &v1alpha1.Adoption{Enabled: true}
	})
	w.condition("prod", v1alpha1.ConditionReady, v1alpha1.ReasonPlanned)
	if p := w.get("prod").Status.Plan; p == nil || p.Adopt == 0 || p.Adopt != p.Update {
		t.Errorf("the plan is %+v", p)
	}
	difference := &corev1.ConfigMap{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-plan-prod"}, difference); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(difference.Data[diffKey], "# Service mesh-ingress/meshwright-ingress is adopted; it was managed by kubectl") {
		t.Errorf("the difference is\n%s", difference.Data[diffKey])
	}

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Mode = v1alpha1.ModeApply })
	install := w.ready("prod")
	read()
	if discovery.UID != before.UID || service.Spec.ClusterIP != address {
		t.Error("an object was made anew")
	}
	if d := cmp.Diff(before.Spec, discovery.Spec); d != "" {
		t.Errorf("pods restart (-before +after):\n%s", d)
	}
	if discovery.Annotations["team"] != "platform" || discovery.Labels[plan.LabelInstall] != "prod" || metav1.GetControllerOf(discovery) == nil {
		t.Errorf("metadata is %+v", discovery.ObjectMeta)
	}
	if notes := strings.Join(w.events(install.UID, "Adopted"), "\n"); !strings.Contains(notes, "Service mesh-ingress/meshwright-ingress is adopted; it was managed by kubectl") {
		t.Errorf("notes are %s", notes)
	}
	w.remove("prod")
	w.eventually("what was adopted goes with the mesh", func() error {
		if w.isThere(service) {
			return fmt.Errorf("it is there")
		}
		return nil
	})
}

func TestAdoptionTakesNothingBeforeAllCanBeTaken(t *testing.T) {
	cases := map[string]struct {
		spoil  func(*unstructured.Unstructured)
		reason string
		says   string
	}{
		"one that cannot become ours": {func(o *unstructured.Unstructured) {
			if o.GetKind() == "Deployment" && strings.Contains(o.GetName(), "discovery") {
				_ = unstructured.SetNestedField(o.Object, "other", "spec", "selector", "matchLabels", plan.LabelRevision)
				_ = unstructured.SetNestedField(o.Object, "other", "spec", "template", "metadata", "labels", plan.LabelRevision)
			}
		}, v1alpha1.ReasonRefused, "spec.selector"},
		"one that a controller keeps": {func(o *unstructured.Unstructured) {
			if o.GetKind() == "Service" && o.GetName() == "meshwright-ingress" {
				o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "example.org/v1", Kind: "Edge", Name: "front", UID: "1", Controller: ptr.To(true)}})
			}
		}, v1alpha1.ReasonObjectConflict, "Service mesh-ingress/meshwright-ingress exists and belongs to somebody else: Edge front, which keeps it so; have that give it up"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.leaveRendered(tc.spoil)
			w.operate(w.operatorConfig())
			w.runPods(everything)
			w.create("prod", "  adoption: {enabled: true}\n")
			if c := w.condition("prod", v1alpha1.ConditionStalled, tc.reason); !strings.Contains(c.Message, tc.says) {
				t.Errorf("message is %q", c.Message)
			}
			for key, o := range w.own() {
				if o.GetKind() != "MeshRevision" && o.GetLabels()[plan.LabelInstall] == "prod" {
					t.Errorf("%s was taken", key)
				}
			}
		})
	}
}
