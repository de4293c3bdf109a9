package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

var errKilled = errors.New("the operator was killed")

// mortal is a client that lives for some writes. The last one still reaches
// the API server, but the operator never hears of it.
func (w *world) mortal(writes int) client.Client {
	left := writes
	live := func(do func() error) error {
		if left <= 0 {
			return errKilled
		}
		left--
		err := do()
		if left == 0 {
			return errKilled
		}
		return err
	}
	return interceptor.NewClient(w.watching(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return live(func() error { return c.Create(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return live(func() error { return c.Apply(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return live(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return live(func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return live(func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	})
}

// settle reconciles until nothing is killed and done holds, letting pods come
// up in between. Time that is to be waited for passes at once.
func (w *world) settle(r *Reconciler, done func() bool) error {
	for range 50 {
		w.tick(w.ctx, everything)
		result, err := r.Reconcile(w.ctx, ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}})
		now := r.Now
		r.Now = func() time.Time { return now().Add(result.RequeueAfter) }
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
// the removal of a mesh, with an operator that dies after the n-th write and a
// new one that finds what it left, for each n.
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
	want := map[string][]string{} // by phase, from the first round, in which nobody dies
	for n, killed := 0, true; killed; n++ {
		killed = false
		for _, phase := range phases {
			phase.begin()
			if n > 0 {
				err := w.settle(w.reconciler(w.mortal(n)), phase.done)
				if killed = killed || errors.Is(err, errKilled); err != nil && !errors.Is(err, errKilled) {
					t.Fatalf("%s, killed after %d writes: %v", phase.name, n, err)
				}
			} else {
				killed = true
			}
			if !phase.done() {
				if err := w.settle(w.reconciler(w.client), phase.done); err != nil {
					t.Fatalf("%s, after the kill at write %d: %v", phase.name, n, err)
				}
			}
			if n == 0 {
				want[phase.name] = w.ownKeys()
			}
			if d := cmp.Diff(want[phase.name], w.ownKeys()); d != "" {
				t.Fatalf("%s, killed after %d writes, ends elsewhere (-want +got):\n%s", phase.name, n, d)
			}
		}
		if slices.ContainsFunc(leftovers, w.isThere) {
			t.Fatalf("removal, killed after %d writes, leaves what operands made", n)
		}
		if n > 60 {
			t.Fatal("the operator writes without end")
		}
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
	first := operatorConfig()
	first.Wrap(func(rt http.RoundTripper) http.RoundTripper { return cut{rt, &off} })
	stopFirst := w.operate(first)
	w.eventually("the first leads", w.leads)
	leader := w.holder()
	w.operate(rest.CopyConfig(operatorConfig()))
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
