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
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// gone waits until a MeshInstall is no more.
func (w *world) gone(name string) {
	w.Helper()
	w.eventually("MeshInstall "+name+" is gone", func() error {
		install := &v1alpha1.MeshInstall{}
		if err := w.client.Get(w.ctx, client.ObjectKey{Name: name}, install); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there, %+v: %w", install.Status.Conditions, err)
		}
		return nil
	})
}

func TestAMeshThatIsUsedIsNotRemoved(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.create("prod", "  profile: minimal\n")
	install := w.ready("prod")
	w.deploy("shop", "cart", install.Status.ActiveRevision, func(*appsv1.Deployment) {})
	// A pod of its own is no user, a client without a sidecar is one.
	discovery.says(install.Status.ActiveRevision,
		cache.ProxyState{ID: "1", Type: "router", Namespace: "mesh-system", Pod: "meshwright-discovery-" + install.Status.ActiveRevision, Connected: time.Unix(1, 0)},
		cache.ProxyState{ID: "2", Type: "sidecar", Namespace: "shop", Pod: "cart-5d4f-" + install.Status.ActiveRevision, Connected: time.Unix(1, 0)},
		cache.ProxyState{ID: "3", Type: "sidecar", Namespace: "dev", Pod: "grpc", Connected: time.Unix(1, 0)},
	)
	keys := w.ownKeys()
	if err := w.client.Delete(w.ctx, install); err != nil {
		t.Fatal(err)
	}
	c := w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonDeleteBlocked)
	for _, part := range []string{"2 pods have a proxy of it: Deployment shop/cart, proxy dev/grpc; ", "spec.deletion.policy to Immediate", "the removal waits until 2"} {
		if !strings.Contains(c.Message, part) {
			t.Errorf("message lacks %q: %s", part, c.Message)
		}
	}
	w.eventually("an Event says so", func() error {
		if notes := w.events(install.UID, "DeleteBlocked"); len(notes) != 1 || !strings.Contains(notes[0], "Deployment shop/cart") {
			return fmt.Errorf("notes are %q", notes)
		}
		return nil
	})
	if d := cmp.Diff(keys, w.ownKeys()); d != "" {
		t.Errorf("objects changed (-want +got):\n%s", d)
	}
	discovery.says(install.Status.ActiveRevision)
	if err := w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace("shop"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.touch("prod")
	w.gone("prod")
	if own := w.own(); len(own) > 0 {
		t.Errorf("left: %v", slices.Collect(maps.Keys(own)))
	}
}

func TestARemovalThatWaitsGoesOn(t *testing.T) {
	cases := map[string]struct {
		deletion string
		// go on by another policy, or by the time that passes.
		policy v1alpha1.DeletionPolicy
		passes time.Duration
	}{
		"when the policy becomes Immediate":  {deletion: "{guardTimeout: 0s}", policy: v1alpha1.DeleteImmediate},
		"when its own time is over":          {deletion: "{guardTimeout: 5m}", passes: 5 * time.Minute},
		"when an hour is over, by default":   {deletion: "{policy: WhenUnused}", passes: time.Hour},
		"at once, where that is what is set": {deletion: "{policy: Immediate}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Cleanup(func() { w.removePods("mesh-system") })
			w.namespace("shop", nil)
			w.create("prod", "  profile: minimal\n  deletion: "+tc.deletion+"\n")
			request := ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}}
			r := w.reconciler(w.client)
			w.eventually("it is up", func() error {
				w.tick(w.ctx, everything)
				_, err := r.Reconcile(w.ctx, request)
				if active := w.get("prod").Status.ActiveRevision; active == "" {
					return errors.Join(err, errors.New("no revision is active"))
				}
				return err
			})
			w.deploy("shop", "cart", w.get("prod").Status.ActiveRevision, func(*appsv1.Deployment) {})
			if err := w.client.Delete(w.ctx, w.get("prod")); err != nil {
				t.Fatal(err)
			}
			turn := func() error {
				if _, err := r.Reconcile(w.ctx, request); err != nil {
					t.Fatal(err)
				}
				return w.client.Get(w.ctx, request.NamespacedName, &v1alpha1.MeshInstall{})
			}
			if tc.policy != "" || tc.passes > 0 {
				r.Now = func() time.Time { return time.Now().Add(tc.passes - 30*time.Second) }
				if err := turn(); err != nil {
					t.Fatalf("it did not wait: %v", err)
				}
				w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonDeleteBlocked)
			}
			if tc.policy != "" {
				r.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
				if err := turn(); err != nil {
					t.Fatalf("it did not wait for ever: %v", err)
				}
				w.change(func(s *v1alpha1.MeshInstallSpec) { s.Deletion.Policy = ptr.To(tc.policy) })
			}
			r.Now = func() time.Time { return time.Now().Add(tc.passes) }
			if err := turn(); !apierrors.IsNotFound(err) {
				t.Errorf("it is held: %v, %+v", err, w.get("prod").Status.Conditions)
			}
		})
	}
}

func TestAMeshThatIsLeftHasNoOwnerUntilItIsTakenOver(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n  deletion: {policy: Orphan}\n")
	install := w.ready("prod")
	lives := w.lives()
	if err := w.client.Delete(w.ctx, install); err != nil {
		t.Fatal(err)
	}
	w.gone("prod")
	for key, o := range w.own() {
		if len(o.GetOwnerReferences()) > 0 {
			t.Errorf("%s goes with %v", key, o.GetOwnerReferences())
		}
	}
	w.create("prod", "  profile: minimal\n")
	next := w.ready("prod")
	if d := cmp.Diff(lives, w.lives()); d != "" {
		t.Errorf("the mesh was touched (-want +got):\n%s", d)
	}
	w.eventually("all of it is the next one's", func() error {
		for key, o := range w.own() {
			if owner := metav1.GetControllerOf(o); owner == nil || owner.UID != next.UID {
				return fmt.Errorf("%s has owners %v", key, o.GetOwnerReferences())
			}
		}
		return nil
	})
}

// A MeshInstall that leaves its mesh, and one of its name that takes it over,
// with an operator that dies after each write of either.
func TestAMeshThatIsLeftIsTakenOverUntouched(t *testing.T) {
	w := newWorld(t)
	w.Cleanup(func() { w.removePods("mesh-system") })
	const spec = "  profile: default\n  deletion: {policy: Orphan}\n"
	isReady := func() bool {
		install := w.get("prod")
		return install.Status.ObservedGeneration == install.Generation && slices.ContainsFunc(install.Status.Conditions, func(c metav1.Condition) bool {
			return c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue
		})
	}
	isGone := func() bool {
		return apierrors.IsNotFound(w.client.Get(w.ctx, client.ObjectKey{Name: "prod"}, &v1alpha1.MeshInstall{}))
	}
	w.create("prod", spec)
	if err := w.settle(w.reconciler(w.client), isReady); err != nil {
		t.Fatal(err)
	}
	w.namespace("shop", nil)
	w.deploy("shop", "cart", w.get("prod").Status.ActiveRevision, func(*appsv1.Deployment) {})
	want := w.lives()
	phases := []struct {
		name  string
		begin func()
		done  func() bool
		owner bool
	}{
		{"leaving", func() { _ = w.client.Delete(w.ctx, w.get("prod")) }, isGone, false},
		{"taking over", func() { w.create("prod", spec) }, isReady, true},
	}
	for _, phase := range phases {
		phase.begin()
		died := w.dying(func(c client.Client) error { return w.settle(w.reconciler(c), phase.done) })
		t.Logf("%s: %d operators died", phase.name, died)
		if died < len(want) {
			t.Errorf("%s: only %d operators died over %d objects", phase.name, died, len(want))
		}
		if d := cmp.Diff(want, w.lives()); d != "" {
			t.Errorf("%s, %d deaths touched the mesh (-want +got):\n%s", phase.name, died, d)
		}
		for key, o := range w.own() {
			if owned := metav1.GetControllerOf(o) != nil; owned != phase.owner || len(o.GetOwnerReferences()) > 1 {
				t.Errorf("%s: %s has owners %v", phase.name, key, o.GetOwnerReferences())
			}
		}
	}
}

// lives are our objects with their identity, and how often their spec was
// written.
func (w *world) lives() map[string]string {
	w.Helper()
	out := map[string]string{}
	for key, o := range w.own() {
		out[key] = fmt.Sprint(o.GetUID(), " ", o.GetGeneration())
	}
	return out
}
