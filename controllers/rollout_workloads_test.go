package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// deploy makes a Deployment that is up, with a pod that has a revision's proxy.
func (w *world) deploy(namespace, name, revision string, change func(*appsv1.Deployment)) {
	w.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}},
		},
	}
	change(d)
	if err := w.client.Create(w.ctx, d, client.FieldOwner("git")); err != nil {
		w.Fatal(err)
	}
	if err := w.setReady(w.ctx, d, 1); err != nil {
		w.Fatal(err)
	}
	w.give(d, revision)
	w.Cleanup(func() {
		_ = w.client.Delete(w.ctx, d)
		_ = w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(namespace), client.GracePeriodSeconds(0))
	})
}

// give plays the controller of Deployments: the pod has a revision's proxy.
func (w *world) give(d *appsv1.Deployment, revision string) {
	w.Helper()
	name := d.Name + "-5d4f-" + revision
	_ = w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(d.Namespace), client.MatchingLabels{"app": d.Name}, client.GracePeriodSeconds(0))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: name, Labels: map[string]string{"app": d.Name, "istio.io/rev": revision, "pod-template-hash": "5d4f"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.Name + "-5d4f", UID: "1", Controller: ptr.To(true)}},
		},
		// The webhook of the mesh has nobody behind it here.
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}, AutomountServiceAccountToken: ptr.To(false)},
	}
	pod.Labels["sidecar.istio.io/inject"] = "false"
	if err := w.client.Create(w.ctx, pod); err != nil {
		w.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	if err := w.client.Status().Update(w.ctx, pod); err != nil {
		w.Fatal(err)
	}
}

// restartedFor is the annotation of a Deployment's pods.
func (w *world) restartedFor(namespace, name string) string {
	w.Helper()
	d := &appsv1.Deployment{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
		w.Fatal(err)
	}
	return d.Spec.Template.Annotations[annotationRestartedFor]
}

func TestPodsAreEvictedOneByOne(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1")+"    dataPlane: {migrate: Automatic, restart: Evict}\n")
	first := w.ready("prod").Status.ActiveRevision
	w.deploy("dev", "cart", first, func(d *appsv1.Deployment) { d.Spec.Replicas, d.Spec.Paused = ptr.To[int32](2), true })
	w.deploy("shop", "front", first, func(*appsv1.Deployment) {})
	cart := &appsv1.Deployment{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "dev", Name: "cart"}, cart); err != nil {
		t.Fatal(err)
	}
	names := func() (out []string) {
		var pods corev1.PodList
		if err := w.client.List(w.ctx, &pods, client.InNamespace("dev")); err != nil {
			t.Fatal(err)
		}
		for i := range pods.Items {
			out = append(out, pods.Items[i].Name)
		}
		return out
	}
	// come makes a pod of cart, as the controller of Deployments does.
	come := func(name, revision string) {
		t.Helper()
		pod := &corev1.Pod{}
		if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "shop", Name: "front-5d4f-" + first}, pod); err != nil {
			t.Fatal(err)
		}
		status := pod.Status
		pod.ObjectMeta = metav1.ObjectMeta{Namespace: "dev", Name: name, Labels: pod.Labels, OwnerReferences: pod.OwnerReferences}
		pod.Labels["app"], pod.Labels["istio.io/rev"], pod.OwnerReferences[0].Name = "cart", revision, "cart-5d4f"
		if err := w.client.Create(w.ctx, pod); err != nil {
			t.Fatal(err)
		}
		pod.Status = status
		if err := w.client.Status().Update(w.ctx, pod); err != nil {
			t.Fatal(err)
		}
	}
	come("cart-a", first)
	if err := w.setReady(w.ctx, cart, 2); err != nil {
		t.Fatal(err)
	}
	template := cart.Spec.Template

	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("prod").Status.TargetRevision
	for i, next := range []string{"cart-b", "cart-c"} {
		w.eventually("a pod is evicted", func() error {
			if got := names(); len(got) != 1 {
				return fmt.Errorf("pods are %q: %+v", got, w.get("prod").Status.Update)
			}
			return w.setReady(w.ctx, cart, 1)
		})
		come(next, second)
		// It is not up yet: the other one must not go.
		w.eventually("what is not up is waited for", func() error {
			u := w.get("prod").Status.Update
			if u.Workloads == nil || *u.Workloads != (v1alpha1.WorkloadsStatus{Total: 1, Waiting: 1}) {
				return fmt.Errorf("workloads are %+v", u.Workloads)
			}
			return nil
		})
		if got := names(); len(got) != 2 {
			t.Fatalf("round %d: pods are %q", i, got)
		}
		w.eventually("it is up", func() error {
			if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(cart), cart); err != nil {
				return err
			}
			return w.setReady(w.ctx, cart, 2)
		})
	}
	w.eventually("all of it has moved", func() error {
		u := w.get("prod").Status.Update
		if u.Workloads == nil || *u.Workloads != (v1alpha1.WorkloadsStatus{Total: 1, Moved: 1}) {
			return fmt.Errorf("workloads are %+v", u.Workloads)
		}
		return nil
	})
	if d := cmp.Diff([]string{"cart-b", "cart-c"}, names()); d != "" {
		t.Errorf("pods (-want +got):\n%s", d)
	}
	if d := cmp.Diff(template, cart.Spec.Template); d != "" {
		t.Errorf("the template was changed:\n%s", d)
	}
	w.eventually("an Event tells of each", func() error {
		if notes := w.events(w.get("prod").UID, "WorkloadRestarted"); len(notes) != 2 {
			return fmt.Errorf("they are %q", notes)
		}
		return nil
	})
}

func TestCanaryRestartsWhatMovesAndRollbackRestartsItBack(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1")+"    dataPlane: {migrate: Automatic, exclude: {matchLabels: {migrate: never}}}\n")
	first := w.ready("prod").Status.ActiveRevision
	none := func(*appsv1.Deployment) {}
	w.deploy("dev", "cart", first, none)
	w.deploy("dev", "guarded", first, none)
	w.deploy("dev", "kept", first, func(d *appsv1.Deployment) { d.Labels = map[string]string{"migrate": "never"} })
	w.deploy("dev", "paused", first, func(d *appsv1.Deployment) { d.Spec.Paused = true })
	w.deploy("shop", "front", first, none)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "dev", Name: "guarded"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "guarded"}}},
	}
	if err := w.client.Create(w.ctx, budget); err != nil {
		t.Fatal(err)
	}
	w.Cleanup(func() { _ = w.client.Delete(w.ctx, budget) })
	budget.Status.ExpectedPods = 1
	if err := w.client.Status().Update(w.ctx, budget); err != nil {
		t.Fatal(err)
	}

	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("prod").Status.TargetRevision
	w.eventually("cart is restarted", func() error {
		if got := w.restartedFor("dev", "cart"); got != second {
			return fmt.Errorf("restarted for %q: %+v", got, w.get("prod").Status.Update)
		}
		return nil
	})
	w.eventually("the status says who waits and who is left", func() error {
		u := w.get("prod").Status.Update
		if u.Workloads == nil || *u.Workloads != (v1alpha1.WorkloadsStatus{Total: 4, Waiting: 2, Skipped: 2}) {
			return fmt.Errorf("workloads are %+v", u.Workloads)
		}
		if text := strings.Join(u.BlockedBy, "; "); !strings.Contains(text, "Deployment dev/paused is paused") {
			return fmt.Errorf("blocked by %q", text)
		}
		return nil
	})
	cart := &appsv1.Deployment{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "dev", Name: "cart"}, cart); err != nil {
		t.Fatal(err)
	}
	if err := w.setReady(w.ctx, cart, 1); err != nil {
		t.Fatal(err)
	}
	w.give(cart, second)
	w.eventually("the budget is what the rest waits for", func() error {
		u := w.get("prod").Status.Update
		if text := strings.Join(u.BlockedBy, "; "); u.Workloads.Moved != 1 || !strings.Contains(text, "PodDisruptionBudget dev/guarded allows 0 disruptions") {
			return fmt.Errorf("%+v, blocked by %q", u.Workloads, text)
		}
		return nil
	})
	for _, name := range []string{"dev/guarded", "dev/kept", "dev/paused", "shop/front"} {
		namespace, name, _ := strings.Cut(name, "/")
		if got := w.restartedFor(namespace, name); got != "" {
			t.Errorf("%s/%s was restarted for %s", namespace, name, got)
		}
	}

	discovery.says(second, refusing)
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
	w.eventually("cart is restarted back", func() error {
		if got := w.restartedFor("dev", "cart"); got != first {
			return fmt.Errorf("restarted for %q", got)
		}
		return nil
	})
	if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(cart), cart); err != nil {
		t.Fatal(err)
	}
	if err := w.setReady(w.ctx, cart, 1); err != nil {
		t.Fatal(err)
	}
	w.give(cart, first)
	w.eventually("nobody waits any more", func() error {
		if u := w.get("prod").Status.Update; u == nil || u.Workloads == nil || u.Workloads.Waiting > 0 || u.Workloads.Total != 5 {
			return fmt.Errorf("workloads are %+v", u.Workloads)
		}
		return nil
	})
	for _, f := range cart.ManagedFields {
		if f.Manager == dataPlaneManager && strings.Contains(f.FieldsV1.GetRawString(), "replicas") {
			t.Errorf("the restart manages %s", f.FieldsV1.GetRawString())
		}
	}
}

// Of the former revision nothing is restarted, however late the status is.
func TestWhichProxyANamespaceIsToHave(t *testing.T) {
	t.Parallel()
	record := func(name string, phase v1alpha1.RevisionPhase, generation int64, moved ...string) *v1alpha1.MeshRevision {
		return &v1alpha1.MeshRevision{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Status:     v1alpha1.MeshRevisionStatus{Phase: phase, ObservedGeneration: generation, Moved: moved},
		}
	}
	for name, tc := range map[string]struct {
		target *v1alpha1.MeshRevision
		want   string
	}{
		"at rest":                                  {nil, "old"},
		"a canary that has the namespace":          {record("new", v1alpha1.RevisionCanary, 2, "dev"), "new"},
		"a canary that has others":                 {record("new", v1alpha1.RevisionCanary, 2, "shop"), ""},
		"promoted, and the status does not say so": {record("new", v1alpha1.RevisionActive, 2), "new"},
		"promoted long ago, and to be begun again": {record("new", v1alpha1.RevisionActive, 1), ""},
		"rolled back":                              {record("new", v1alpha1.RevisionFailed, 2), "old"},
		"not up yet":                               {record("new", v1alpha1.RevisionPending, 2), "old"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &rolloutScope{
				install: &v1alpha1.MeshInstall{ObjectMeta: metav1.ObjectMeta{Generation: 2}},
				scope:   []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{Name: "dev"}}},
				active:  record("old", v1alpha1.RevisionActive, 1), target: tc.target,
			}
			if got := s.wantedIn("dev"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := s.wantedIn("elsewhere"); got != "" {
				t.Errorf("a namespace of another mesh is to have %q", got)
			}
		})
	}
}
