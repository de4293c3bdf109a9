package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// namespaceSelectors are those of an object of a door.
func namespaceSelectors(t *testing.T, o *unstructured.Unstructured) []labels.Selector {
	t.Helper()
	var places []any
	switch o.GetKind() {
	case "MutatingWebhookConfiguration":
		webhooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
		for _, w := range webhooks {
			places = append(places, w.(map[string]any)["namespaceSelector"])
		}
	}
	var out []labels.Selector
	for _, place := range places {
		var selector metav1.LabelSelector
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(place.(map[string]any), &selector); err != nil {
			t.Fatal(err)
		}
		s, err := metav1.LabelSelectorAsSelector(&selector)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// open reports whether a door is open for a namespace that opts in.
func (w *world) open(o *unstructured.Unstructured) bool {
	w.Helper()
	for _, selector := range namespaceSelectors(w.T, o) {
		if selector.Matches(labels.Set{"kubernetes.io/metadata.name": "shop", "istio-injection": "enabled"}) {
			return true
		}
	}
	return false
}

// The doors of two revisions are both there while one replaces the other: that
// of the one that serves is open, the other closed.
func TestTheDoorOfATargetStaysClosed(t *testing.T) {
	w := newWorld(t)
	w.operate(operatorConfig())
	first := ""
	w.runPods(func(name string) bool { return first == "" || name == first })
	w.create("prod", "  profile: minimal\n")
	active := w.ready("prod").Status.ActiveRevision
	first = "meshwright-injector-" + active

	w.change(func(spec *v1alpha1.MeshInstallSpec) {
		mode := v1alpha1.MTLSStrict
		spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: &mode}
	})
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing)
	target := w.get("prod").Status.TargetRevision
	own := w.own()
	for revision, want := range map[string]bool{active: true, target: false} {
		door := own["MutatingWebhookConfiguration /meshwright-injector-"+revision]
		if door == nil || w.open(door) != want {
			t.Errorf("the door of %s is %v, want open %t", revision, door, want)
		}
	}
}
