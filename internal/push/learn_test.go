package push

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// newAutomatic is a mesh in automatic mode with x in a, y in b, and two pods of
// one workload.
func newAutomatic(t *testing.T) *world {
	w := newWorld(t, realRoom)
	w.put(mesh.Change{Key: mesh.ConfigKey, Value: &mesh.Config{ClusterDomain: genDomain, RootNamespace: genRoot, OutboundAllowAny: true, Scope: mesh.ScopeAutomatic}})
	for _, pod := range []string{"p0", "p1"} {
		w.put(mesh.Change{
			Key:   mesh.Key{Kind: mesh.KindWorkload, Namespace: "a", Name: pod},
			Value: &mesh.Workload{Namespace: "a", Name: pod, Owner: "front"},
		})
	}
	w.put(scopeService("a", "x", 8080), scopeService("b", "y", 8080))
	return w
}

func (w *world) joinPod(pod string) *sim {
	s := w.join(mesh.Proxy{ID: pod, Type: mesh.ProxySidecar, Namespace: "a", Pod: pod})
	w.pump()
	return s
}

func (s *sim) call(hosts ...string) {
	for _, h := range hosts {
		s.unsent = append(s.unsent, s.client.Ask(resource.VirtualHost, "8080/"+h)...)
	}
	s.world.pump()
}

func TestAWorkloadHoldsWhatItUses(t *testing.T) {
	t.Parallel()
	w := newAutomatic(t)
	first := w.joinPod("p0")
	first.sent()
	want := func(what string, s *sim, lines ...string) {
		t.Helper()
		w.pump()
		w.compare()
		if diff := cmp.Diff(lines, s.sent()); diff != "" {
			t.Errorf("%s: sent (-want +got):\n%s", what, diff)
		}
	}
	x := "outbound|8080||x.a.svc." + genDomain
	first.call("x")
	want("the first call", first, "Cluster ["+x+"] -[]", "VirtualHost [8080/@x] -[]")
	first.call("x.a:8080")
	want("another name of it", first, "VirtualHost [8080/@x.a:8080] -[]")
	first.call("z.b")
	want("a name that nobody has", first, "VirtualHost [8080/@z.b] -[]")
	w.put(scopeService("a", "unused", 8080))
	want("a Service that nobody uses", first)
	w.put(scopeService("b", "z", 8080))
	want("the name's Service", first, "Cluster [outbound|8080||z.b.svc."+genDomain+"] -[]", "VirtualHost [8080/@z.b] -[]")
	w.put(mesh.Change{Key: mesh.Key{Kind: mesh.KindService, Namespace: "b", Name: "z"}})
	want("and without it", first, "VirtualHost [8080/@z.b] -[]", "Cluster [] -[outbound|8080||z.b.svc."+genDomain+"]")

	second := w.joinPod("p1")
	for _, name := range []string{"8080/@x", "8080/@x.a:8080"} {
		if second.client.Holds[resource.VirtualHost][name].Body == nil {
			t.Errorf("the workload's next proxy does not begin with %s", name)
		}
	}
	second.sent()
	second.call("y.b")
	want("what one of the workload calls", first, "Cluster [outbound|8080||y.b.svc."+genDomain+"] -[]", "VirtualHost [8080/@y.b] -[]")

	state := w.engine.states()[0].Learned
	wantState := &cache.Learned{
		Workload: "a/front", Asked: []string{"8080/@x", "8080/@x.a:8080", "8080/@y.b", "8080/@z.b"},
		Clusters: []string{x, "outbound|8080||y.b.svc." + genDomain},
	}
	if diff := cmp.Diff(wantState, state); diff != "" {
		t.Errorf("the state of the first (-want +got):\n%s", diff)
	}

	// All of them go; who comes next begins with what they used.
	first.disconnect()
	second.disconnect()
	w.engine.step()
	w.sims = nil
	third := w.joinPod("p0")
	if n := len(third.client.Holds[resource.VirtualHost]); n != 5 {
		t.Errorf("the workload's next proxy begins with %d virtual hosts, want four and the seed", n)
	}
}

// TestAClientThatResumesInAutomaticModeIsSentNothing: also by an engine that
// knows nothing of its workload.
func TestAClientThatResumesInAutomaticModeIsSentNothing(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"the same engine": false, "another engine": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAutomatic(t)
			s := w.joinPod("p0")
			s.call("x", "y.b")
			s.disconnect()
			if forget {
				clear(w.engine.workloads)
				w.engine.idle = nil
				w.engine.drain = resumeHold
				w.restart()
				w.engine.drain = resumeHold
			}
			s.connect()
			w.pump()
			if got := s.sent(); len(got) > 0 {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// TestAWorkloadThatAsksForTooMuchGetsEverything: it costs what full mode does.
func TestAWorkloadThatAsksForTooMuchGetsEverything(t *testing.T) {
	t.Parallel()
	w := newAutomatic(t)
	w.put(mesh.Change{
		Key:   mesh.Key{Kind: mesh.KindWorkload, Namespace: "b", Name: "p2"},
		Value: &mesh.Workload{Namespace: "b", Name: "p2", Owner: "other"},
	})
	s := w.joinPod("p0")
	other := w.join(mesh.Proxy{ID: "other", Type: mesh.ProxySidecar, Namespace: "b", Pod: "p2"})
	w.pump()
	other.sent()
	for i := range maxAsked + 10 {
		s.call(fmt.Sprintf("made-up-%d", i))
	}
	held := s.client.Holds[resource.VirtualHost]
	if len(held) != 3 || held["8080/*:8080"].Body == nil {
		t.Errorf("it holds %d virtual hosts, want those of full mode", len(held))
	}
	if len(w.engine.asking.cells) > 10 {
		t.Errorf("%d names are left", len(w.engine.asking.cells))
	}
	if got := other.sent(); len(got) > 0 {
		t.Errorf("another workload was sent %q", got)
	}
}
