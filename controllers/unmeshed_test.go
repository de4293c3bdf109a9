package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/install/rollout"
)

// plain makes a namespace that asks for nothing, until the test ends.
func (w *world) plain(name string) {
	w.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := w.client.Create(w.ctx, n); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(name), client.GracePeriodSeconds(0))
		_ = w.client.Delete(w.ctx, n)
	})
}

// label gives a namespace a label, or takes it.
func (w *world) label(namespace, key string, value any) {
	w.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, key, map[bool]string{true: "null", false: fmt.Sprintf("%q", value)}[value == nil])
	if err := w.client.Patch(w.ctx, n, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		w.Fatal(err)
	}
}

// plainPod makes a running pod without a sidecar; owner is kind/name of what
// made it, and empty for nobody.
func (w *world) plainPod(namespace, name, owner string, change func(*corev1.Pod)) {
	w.Helper()
	pod := probePod(namespace)
	pod.GenerateName, pod.Name, pod.Labels = "", name, map[string]string{"app": name}
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	if kind, name, ok := strings.Cut(owner, "/"); ok {
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: "1", Controller: ptr.To(true)}}
		if kind == "ReplicaSet" {
			pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "5d4f"
		}
	}
	change(pod)
	if err := w.client.Create(w.ctx, pod); err != nil {
		w.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	if err := w.client.Status().Update(w.ctx, pod); err != nil {
		w.Fatal(err)
	}
}

func TestUnmeshedWorkloadsAreNamedAndRestarted(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n  update:\n    dataPlane: {migrate: Automatic, exclude: {matchLabels: {migrate: never}}}\n")
	active := w.ready("prod").Status.ActiveRevision

	none := func(*corev1.Pod) {}
	w.plain("early")
	cart := w.workload("early", "cart", nil)
	kept := w.workload("early", "kept", map[string]string{"migrate": "never"})
	w.plainPod("early", "cart-5d4f-a", "ReplicaSet/cart-5d4f", none)
	w.plainPod("early", "cart-5d4f-b", "ReplicaSet/cart-5d4f", none)
	w.plainPod("early", "kept-5d4f-a", "ReplicaSet/kept-5d4f", none)
	w.plainPod("early", "once", "Job/once", none)
	w.plainPod("early", "alone", "", none)
	w.plainPod("early", "out", "", func(p *corev1.Pod) { p.Labels["sidecar.istio.io/inject"] = "false" })
	w.plainPod("early", "host", "", func(p *corev1.Pod) { p.Spec.HostNetwork = true })
	w.plainPod("early", "meshed", "", func(p *corev1.Pod) { p.Annotations = map[string]string{"sidecar.istio.io/status": "{}"} })

	w.label("early", "istio-injection", "enabled")
	names := func(want ...string) {
		t.Helper()
		w.eventually(fmt.Sprintf("the status names %q", want), func() error {
			got := []string{}
			if u := w.get("prod").Status.Unmeshed; u != nil {
				got = u.Names
			}
			if d := cmp.Diff(append([]string{}, want...), got); d != "" {
				return fmt.Errorf("-want +got:\n%s", d)
			}
			return nil
		})
	}
	names("Deployment early/cart", "Deployment early/kept", "Job early/once", "Pod early/alone")
	w.eventually("cart is restarted", func() error {
		if got := w.restartedFor("early", "cart"); got != active {
			return fmt.Errorf("restarted for %q", got)
		}
		return nil
	})
	for _, pod := range []string{"cart-5d4f-a", "cart-5d4f-b"} {
		if err := w.client.Delete(w.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "early", Name: pod}}, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}
	names("Deployment early/kept", "Job early/once", "Pod early/alone")
	if got := w.restartedFor("early", "kept"); got != "" {
		t.Errorf("what is excluded was restarted for %s", got)
	}

	told := func(uid types.UID, text string) {
		t.Helper()
		w.eventually("an Event says "+text, func() error {
			if notes := w.events(uid, "Unmeshed"); len(notes) != 1 || !strings.Contains(notes[0], text) {
				return fmt.Errorf("notes are %q", notes)
			}
			return nil
		})
	}
	told(cart.UID, "2 of its pods came up without the sidecar that their labels ask for, such as cart-5d4f-a; restart it: kubectl --namespace early rollout restart deployment/cart")
	told(kept.UID, "1 of its pods")
	told(w.podOf("early", "once").UID, "delete the pod when it suits")
	told(w.podOf("early", "alone").UID, "delete the pod when it suits")
	for _, name := range []string{"out", "host", "meshed"} {
		if notes := w.events(w.podOf("early", name).UID, "Unmeshed"); len(notes) > 0 {
			t.Errorf("pod %s was told %q", name, notes)
		}
	}

	w.label("early", "istio-injection", nil)
	names()
}

// workload makes a Deployment that is up, until the test ends.
func (w *world) workload(namespace, name string, labels map[string]string) *appsv1.Deployment {
	w.Helper()
	selector := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}},
		},
	}
	if err := w.client.Create(w.ctx, d, client.FieldOwner("git")); err != nil {
		w.Fatal(err)
	}
	if err := w.setReady(w.ctx, d, 1); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.client.Delete(w.ctx, d) })
	return d
}

func (w *world) podOf(namespace, name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
		w.Fatal(err)
	}
	return pod
}

// TestUnmeshedIsWhatADoorWouldTake holds our reading of labels against what the
// API server does by the policy of the mesh.
func TestUnmeshedIsWhatADoorWouldTake(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	active := w.ready("prod").Status.ActiveRevision
	type set = map[string]string
	namespaces := map[string]set{
		"says-nothing": {}, "says-enabled": {"istio-injection": "enabled"}, "says-disabled": {"istio-injection": "disabled"},
		"says-default": {"istio.io/rev": "default"}, "says-ours": {"istio.io/rev": active}, "says-other": {"istio.io/rev": "other"},
		"says-both": {"istio-injection": "enabled", "istio.io/rev": "other"},
	}
	pods := []struct{ labels, annotations set }{
		{}, {labels: set{"sidecar.istio.io/inject": "true"}}, {labels: set{"sidecar.istio.io/inject": "false"}}, {annotations: set{"sidecar.istio.io/inject": "false"}},
		{labels: set{"istio.io/rev": "default"}}, {labels: set{"istio.io/rev": active}}, {labels: set{"istio.io/rev": "other", "sidecar.istio.io/inject": "true"}},
	}
	for _, name := range slices.Sorted(maps.Keys(namespaces)) {
		w.plain(name)
		for key, value := range namespaces[name] {
			w.label(name, key, value)
		}
		for _, tc := range pods {
			w.eventually(fmt.Sprintf("%s with %v %v", name, tc.labels, tc.annotations), func() error {
				pod := probePod(name)
				pod.Labels, pod.Annotations = tc.labels, tc.annotations
				want := rollout.Unmeshed(pod, namespaces[name], []string{"default", active})
				if err := w.client.Create(w.ctx, pod, client.DryRunAll); err != nil {
					return err
				}
				if got := pod.Annotations["sidecar.istio.io/status"] != ""; got != want {
					return fmt.Errorf("the policy injects: %t; said to lack a sidecar without: %t", got, want)
				}
				return nil
			})
		}
	}
	if u := w.get("prod").Status.Unmeshed; u != nil {
		t.Errorf("pods of a dry run are in the status: %+v", u)
	}
}
