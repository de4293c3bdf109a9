package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	case "MutatingAdmissionPolicyBinding":
		place, _, _ := unstructured.NestedMap(o.Object, "spec", "matchResources", "namespaceSelector")
		places = append(places, place)
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
	for kind, values := range map[string]string{"MutatingAdmissionPolicyBinding": "", "MutatingWebhookConfiguration": byWebhook} {
		t.Run(kind, func(t *testing.T) { testClosedDoor(t, kind, values) })
	}
}

// byWebhook is the line of a spec that wants no policy.
const byWebhook = "  values: {injector: {door: webhook}}\n"

func testClosedDoor(t *testing.T, kind, values string) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	first := ""
	w.runPods(func(name string) bool { return first == "" || strings.HasSuffix(name, first) })
	w.create("prod", "  profile: minimal\n"+values)
	active := w.ready("prod").Status.ActiveRevision
	first = active

	w.change(func(spec *v1alpha1.MeshInstallSpec) {
		mode := v1alpha1.MTLSStrict
		spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: &mode}
	})
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing)
	target := w.get("prod").Status.TargetRevision
	own := w.own()
	for revision, want := range map[string]bool{active: true, target: false} {
		door := own[kind+" /meshwright-injector-"+revision]
		if door == nil || w.open(door) != want {
			t.Errorf("the door of %s is %v, want open %t", revision, door, want)
		}
	}
}

// A mesh that goes over from its webhook to a policy: some door is open at
// every moment, and the API server injects by the policy when the webhook goes.
func TestAPolicyIsInForceBeforeTheWebhookGoes(t *testing.T) {
	w := newWorld(t)
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-", Labels: map[string]string{"istio-injection": "enabled"}}}
	if err := w.client.Create(w.ctx, shop); err != nil {
		t.Fatal(err)
	}
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n"+byWebhook)
	first := w.ready("prod").Status.ActiveRevision
	webhook := "MutatingWebhookConfiguration /meshwright-injector-" + first
	if own := w.own(); own[webhook] == nil || !w.open(own[webhook]) {
		t.Fatal("there is no open webhook to begin with")
	}

	w.change(func(spec *v1alpha1.MeshInstallSpec) { spec.Values = nil })
	w.eventually("the webhook is gone", func() error {
		own := w.own()
		if !slices.ContainsFunc(slices.Collect(maps.Values(own)), w.open) {
			t.Fatal("no door is open")
		}
		if own[webhook] != nil {
			return fmt.Errorf("it is there")
		}
		return nil
	})
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: "born"},
		Spec:       corev1.PodSpec{ServiceAccountName: "default", Containers: []corev1.Container{{Name: "a", Image: "example/a"}}},
	}
	if err := w.client.Create(w.ctx, pod, client.DryRunAll); err != nil || len(pod.Spec.InitContainers) != 2 {
		t.Errorf("a pod has init containers %v, error %v", pod.Spec.InitContainers, err)
	}
	second := w.ready("prod").Status.ActiveRevision
	for key := range w.own() {
		if strings.Contains(key, first) && !strings.Contains(key, "discovery") && !strings.HasPrefix(key, "MeshRevision") {
			t.Errorf("%s is left; revision %s serves", key, second)
		}
	}
}

// A root certificate that changes is in the policy soon after.
func TestThePolicyFollowsTheRootCertificate(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	revision := w.ready("prod").Status.ActiveRevision
	root := &corev1.ConfigMap{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: operandRoot}, root); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"root of the test", "root of the test\nand the next \"one\" é"} {
		root.Data[rootKey] = want
		if err := w.client.Update(w.ctx, root); err != nil {
			t.Fatal(err)
		}
		w.eventually("the policy has the root", func() error {
			policy := &admissionregistrationv1.MutatingAdmissionPolicy{}
			if err := w.client.Get(w.ctx, client.ObjectKey{Name: "meshwright-injector-" + revision}, policy); err != nil {
				return err
			}
			for _, v := range policy.Spec.Variables {
				if v.Name == "rootCert" && v.Expression == strconv.QuoteToASCII(want) {
					return nil
				}
			}
			return fmt.Errorf("it has not")
		})
	}
}
