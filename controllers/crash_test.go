package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

var errKilled = errors.New("the operator was killed")

// mortal is a client whose first write that changes anything is its last: it
// still reaches the API server, but the operator never hears of it. What only
// confirms what is there leaves no trace, so to die there is to die before it.
func (w *world) mortal() client.Client {
	dead := false
	live := func(o any, do func() error) error {
		if dead {
			return errKilled
		}
		before := w.versionOf(o)
		err := do()
		if err == nil && w.versionOf(o) != before {
			dead = true
			return errKilled
		}
		return err
	}
	return interceptor.NewClient(w.watching(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return live(o, func() error { return c.Create(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return live(o, func() error { return c.Apply(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return live(o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return live(o, func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return live(o, func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	})
}

// versionOf is the identity and version under which the API server holds an
// object now; empty for one that is not there.
func (w *world) versionOf(o any) string {
	raw, err := json.Marshal(o)
	if err != nil {
		w.Fatal(err)
	}
	named := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &named.Object); err != nil {
		w.Fatal(err)
	}
	if object, ok := o.(client.Object); ok && named.GetKind() == "" {
		gvk, err := w.client.GroupVersionKindFor(object)
		if err != nil {
			w.Fatal(err)
		}
		named.SetGroupVersionKind(gvk)
	}
	if named.GetName() == "" {
		return ""
	}
	err = w.client.Get(w.ctx, client.ObjectKeyFromObject(named), named)
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	return string(named.GetUID()) + " " + named.GetResourceVersion()
}

// dying lets operators run until done holds, each of which dies at its first
// write that changes anything, and says how many died.
func (w *world) dying(run func(client.Client) error) int {
	w.Helper()
	const many = 400
	for died := 0; ; died++ {
		err := run(w.mortal())
		if err == nil {
			return died
		}
		if !errors.Is(err, errKilled) {
			w.Fatalf("after %d deaths: %v", died, err)
		}
		if died > many {
			w.Fatalf("the operator writes without end: %+v", w.get("prod").Status)
		}
	}
}

// settle reconciles until nothing is killed and done holds, letting pods come
// up in between. Time that is to be waited for passes at once.
func (w *world) settle(r *Reconciler, done func() bool) error {
	for range 50 {
		w.tick(w.ctx, everything)
		result, err := r.Reconcile(w.ctx, ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}})
		w.passed += result.RequeueAfter
		if errors.Is(err, errKilled) {
			return err
		}
		if err == nil && done() {
			return nil
		}
	}
	return fmt.Errorf("not settled after many turns: %+v", w.get("prod").Status)
}

// TestKilledAtAnyWriteItConverges goes through an installation, a change and
// the removal of a mesh: first unharmed, then with operators each of which dies
// at its first write, so that every write is the last of one of them.
func TestKilledAtAnyWriteItConverges(t *testing.T) {
	w := newWorld(t)
	isReady := func() bool {
		install := w.get("prod")
		for _, c := range install.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady {
				return c.Status == "True" && c.ObservedGeneration == install.Generation
			}
		}
		return false
	}
	isGone := func() bool {
		return apierrors.IsNotFound(w.client.Get(w.ctx, client.ObjectKey{Name: "prod"}, &v1alpha1.MeshInstall{}))
	}
	var leftovers []client.Object
	phases := []struct {
		name  string
		begin func()
		done  func() bool
	}{
		{"install", func() { w.create("prod", "  profile: minimal\n") }, isReady},
		{"change", func() { w.change(func(s *v1alpha1.MeshInstallSpec) { s.Profile = v1alpha1.ProfileDefault }) }, isReady},
		{"remove", func() { leftovers, _ = w.leaveBehind(); _ = w.client.Delete(w.ctx, w.get("prod")) }, isGone},
	}
	want := map[string][]string{}
	for _, phase := range phases {
		phase.begin()
		if err := w.settle(w.reconciler(w.client), phase.done); err != nil {
			t.Fatalf("%s: %v", phase.name, err)
		}
		want[phase.name] = w.ownKeys()
	}
	for _, phase := range phases {
		phase.begin()
		died := w.dying(func(c client.Client) error { return w.settle(w.reconciler(c), phase.done) })
		t.Logf("%s: %d operators died", phase.name, died)
		if d := cmp.Diff(want[phase.name], w.ownKeys()); d != "" {
			t.Errorf("%s: %d deaths end elsewhere (-want +got):\n%s", phase.name, died, d)
		}
		// At least each object that came or went is a write of its own.
		if least := len(want["install"]); phase.name != "change" && died < least {
			t.Errorf("%s: only %d operators died at %d objects", phase.name, died, least)
		}
	}
	if slices.ContainsFunc(leftovers, w.isThere) {
		t.Error("the removal leaves what operands made")
	}
}

// cut is a connection that can be cut: the process behind it lives on and
// believes that it leads.
type cut struct {
	http.RoundTripper
	off *atomic.Bool
}

func (c cut) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.off.Load() {
		return nil, errors.New("the network is cut")
	}
	return c.RoundTripper.RoundTrip(r)
}

func TestSecondReplicaTakesOver(t *testing.T) {
	w := newWorld(t)
	w.runPods(everything)
	var off atomic.Bool
	first := w.operatorConfig()
	first.Wrap(func(rt http.RoundTripper) http.RoundTripper { return cut{rt, &off} })
	options := operatorOptions()
	options.LeaseDuration = 6 * time.Second
	stopFirst := w.operateWith(first, options)
	w.eventually("the first leads", w.leads)
	leader := w.holder()
	w.operateWith(w.operatorConfig(), options)
	w.create("prod", "  profile: minimal\n")
	w.ready("prod")
	if now := w.holder(); now != leader {
		t.Fatalf("%s leads, it was %s", now, leader)
	}
	off.Store(true)
	w.eventually("the second leads", func() error {
		if now := w.holder(); now == leader || now == "" {
			return fmt.Errorf("%q leads", now)
		}
		return nil
	})
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Profile = v1alpha1.ProfileDefault })
	w.ready("prod")
	// Who lost the lease must not go on as if it led.
	if err := stopFirst(); err == nil {
		t.Error("the first ended in peace, though it lost its lease")
	}
}
