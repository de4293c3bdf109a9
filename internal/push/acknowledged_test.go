package push

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// acknowledged begins to wait for a change of clusters and steps once.
func (r *rig) acknowledged(ctx context.Context, when func(mesh.Lookup) bool) <-chan error {
	out := make(chan error, 1)
	go func() { out <- r.engine.Acknowledged(ctx, resource.Cluster, when) }()
	for len(r.engine.barriers) == 0 {
		r.engine.step()
		time.Sleep(time.Millisecond)
	}
	return out
}

func (r *rig) waits(result <-chan error, why string) {
	r.t.Helper()
	select {
	case err := <-result:
		r.t.Fatalf("got %v although %s", err, why)
	default:
	}
	if len(r.engine.barriers) != 1 {
		r.t.Fatalf("the barrier has gone although %s", why)
	}
}

func (r *rig) passes(result <-chan error) {
	r.t.Helper()
	if len(r.engine.barriers) != 0 {
		r.t.Fatal("the barrier is still there")
	}
	if err := <-result; err != nil {
		r.t.Fatal(err)
	}
}

func TestAcknowledgedWaitsForTheAnswersToOneMoment(t *testing.T) {
	rule := mesh.Key{Kind: mesh.KindDestinationRule, Namespace: "a", Name: "r"}
	there := func(l mesh.Lookup) bool { return l.Get(rule) != nil }
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil))
	r.ask(cache.Request{Type: resource.Cluster})
	r.ask(cache.Request{Type: resource.Cluster, Nonce: r.want("Cluster +" + toyX)[0]})

	result := r.acknowledged(t.Context(), there)
	r.waits(result, "nothing has changed")
	r.put(toyRuleChange(3 * time.Second))
	r.waits(result, "the change was not even written")
	nonces := r.want("Cluster +" + toyX)
	r.waits(result, "the proxy has not answered")
	// What comes later does not count: a busy mesh must not hold up anybody.
	r.put(toyRuleChange(4 * time.Second))
	later := r.want("Cluster +" + toyX)
	r.waits(result, "the proxy has not answered")
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[0]})
	r.passes(result)

	result = r.acknowledged(t.Context(), there)
	r.waits(result, "an earlier change is still under way")
	r.ask(cache.Request{Type: resource.Cluster, Nonce: later[0]})
	r.passes(result)
}

func TestAcknowledgedDoesNotWaitForWhoHasGone(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil))
	r.ask(cache.Request{Type: resource.Cluster})
	r.want("Cluster +" + toyX)
	result := r.acknowledged(t.Context(), func(mesh.Lookup) bool { return true })
	r.waits(result, "the proxy has not answered")
	r.stream.Close()
	r.engine.step()
	r.passes(result)
}

func TestAcknowledgedEndsWithItsContext(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	ctx, cancel := context.WithCancel(t.Context())
	result := r.acknowledged(ctx, func(mesh.Lookup) bool { return false })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.engine.step()
	if len(r.engine.barriers) != 0 {
		t.Error("the barrier is still there")
	}
}
