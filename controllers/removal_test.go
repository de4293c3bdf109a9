package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// leaveBehind makes what the operands of a mesh make for themselves, and one
// object that is somebody else's.
func (w *world) leaveBehind() (ours []client.Object, others client.Object) {
	w.Helper()
	at := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	ours = []client.Object{
		&corev1.Secret{ObjectMeta: at("mesh-system", "meshwright-ca")},
		&corev1.Secret{ObjectMeta: at("mesh-system", "meshwright-injector-cert")},
		&corev1.ConfigMap{ObjectMeta: at("mesh-system", "meshwright-ca-root")},
		&corev1.ConfigMap{ObjectMeta: at("mesh-ingress", "meshwright-ca-root")},
		&coordinationv1.Lease{ObjectMeta: at("mesh-system", "meshwright-discovery-status")},
	}
	others = &corev1.Secret{ObjectMeta: at("mesh-system", "users-own")}
	for _, o := range append(slices.Clone(ours), others) {
		if err := w.client.Create(w.ctx, o); client.IgnoreAlreadyExists(err) != nil {
			w.Fatal(err)
		}
	}
	w.Cleanup(func() { _ = w.client.Delete(w.ctx, others) })
	return ours, others
}

func (w *world) isThere(o client.Object) bool {
	w.Helper()
	err := w.client.Get(w.ctx, client.ObjectKeyFromObject(o), o.DeepCopyObject().(client.Object))
	if client.IgnoreNotFound(err) != nil {
		w.Fatal(err)
	}
	return err == nil
}

func (w *world) pod(install string) *corev1.Pod {
	w.Helper()
	allowed := false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "discovery-0", Labels: map[string]string{plan.LabelInstall: install}},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "discovery", Image: "none", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &allowed, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
			AutomountServiceAccountToken: &allowed,
		},
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "default"}}
	if err := w.client.Create(w.ctx, account); client.IgnoreAlreadyExists(err) != nil {
		w.Fatal(err)
	}
	if err := w.client.Create(w.ctx, pod); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.client.Delete(w.ctx, pod, client.GracePeriodSeconds(0)) })
	return pod
}

func TestRemovalLeavesNothingOfOurs(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: demo\n")
	w.ready("prod")
	w.change(func(spec *v1alpha1.MeshInstallSpec) { spec.Profile = v1alpha1.ProfileDefault })
	w.ready("prod")
	ours, others := w.leaveBehind()
	pod := w.pod("prod")

	if err := w.client.Delete(w.ctx, w.get("prod")); err != nil {
		t.Fatal(err)
	}
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonUninstalling)
	// The pod could make the Secret again: it must end first.
	if !w.isThere(ours[0]) {
		t.Error("the CA's Secret went before the last pod")
	}
	if err := w.client.Delete(w.ctx, pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.eventually("the MeshInstall is gone", func() error {
		if err := w.client.Get(w.ctx, client.ObjectKey{Name: "prod"}, &v1alpha1.MeshInstall{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	if own := w.own(); len(own) > 0 {
		t.Errorf("left: %v", slices.Collect(maps.Keys(own)))
	}
	for _, o := range ours {
		if w.isThere(o) {
			t.Errorf("left: %T %s/%s", o, o.GetNamespace(), o.GetName())
		}
	}
	if !w.isThere(others) {
		t.Error("a user's Secret was deleted")
	}
}

func TestRemovalNeverHangsOnWhatCannotBeDeleted(t *testing.T) {
	w := newWorld(t)
	w.create("prod", "  profile: minimal\n")
	refused := errors.New("refused by a webhook of somebody else")
	c := interceptor.NewClient(w.watching(), interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if o.GetObjectKind().GroupVersionKind().Kind == "Deployment" {
				return refused
			}
			return c.Delete(ctx, o, opts...)
		},
	})
	r := w.reconciler(c)
	request := ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}}
	if _, err := r.Reconcile(w.ctx, request); err != nil {
		t.Fatal(err)
	}
	install := w.get("prod")
	if err := w.client.Delete(w.ctx, install); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(w.ctx, request); !errors.Is(err, refused) {
		t.Fatalf("before the deadline the error is %v", err)
	}
	r.Now = func() time.Time { return time.Now().Add(removalDeadline) }
	if _, err := r.Reconcile(w.ctx, request); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Get(w.ctx, request.NamespacedName, install); !apierrors.IsNotFound(err) {
		t.Errorf("the MeshInstall is held: %v, %v", install.Finalizers, err)
	}
	// What is left is owned by the MeshInstall: the garbage collector has it.
	// There is none here.
	for _, o := range w.own() {
		if err := w.client.Delete(w.ctx, o); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	}
}

func TestRemovalDoesNotWaitForANamespaceThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	install := w.ready("prod")
	ours, _ := w.leaveBehind()
	// Our rights go with a namespace. Namespaces do not end here: nothing
	// empties them.
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "meshwright-operator"}}
	if err := w.client.Delete(w.ctx, binding); err != nil {
		t.Fatal(err)
	}
	w.remove("prod")
	for _, o := range ours {
		if there := w.isThere(o); there != (o.GetNamespace() == "mesh-system") {
			t.Errorf("%T %s/%s is there: %v", o, o.GetNamespace(), o.GetName(), there)
		}
	}
	w.eventually("an Event says so", func() error {
		if notes := w.events(install.UID, "RemovalIncomplete"); len(notes) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	// What goes with the namespace, or by the garbage collector.
	for _, o := range ours {
		_ = w.client.Delete(w.ctx, o)
	}
	for _, o := range w.own() {
		if err := w.client.Delete(w.ctx, o); err != nil {
			t.Error(err)
		}
	}
}

func TestRemovalOfAMeshInstallThatNeverGotTheClusterTouchesNothing(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	w.ready("prod")
	ours, _ := w.leaveBehind()
	keys := w.ownKeys()
	w.create("second", "  profile: minimal\n")
	w.condition("second", v1alpha1.ConditionStalled, v1alpha1.ReasonAnotherMeshInstall)
	w.remove("second")
	if !slices.Equal(keys, w.ownKeys()) {
		t.Errorf("objects were %v, are %v", keys, w.ownKeys())
	}
	for _, o := range ours {
		if !w.isThere(o) {
			t.Errorf("%T %s/%s of the first is gone", o, o.GetNamespace(), o.GetName())
		}
	}
}

func TestNextMeshInstallGetsTheClusterWhenTheFirstGoes(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("a", "  profile: minimal\n")
	w.ready("a")
	w.create("b", "  profile: minimal\n")
	c := w.condition("b", v1alpha1.ConditionStalled, v1alpha1.ReasonAnotherMeshInstall)
	if want := "spec.namespace: MeshInstall a is older and has namespace mesh-system; set another"; c.Message != want {
		t.Errorf("message is %q, want %q", c.Message, want)
	}
	w.remove("a")
	w.ready("b")
}
