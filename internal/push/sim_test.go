package push

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/go-logr/logr"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// room is what the engine runs over: the toy or the real translation.
type room struct {
	indexes     func() []mesh.Index
	derivations func() []mesh.Derivation
	factsOf     mesh.FactsOf
	types       func() []resource.Type
}

var (
	toy      = room{toyIndexes, toyDerivations, toyFactsOf, toyTypes}
	realRoom = room{view.Indexes, view.Derivations, view.FactsOf, translate.Types}
)

// world is an engine that is stepped by hand, and its simulated proxies.
type world struct {
	t      *testing.T
	room   room
	engine *Engine
	// objects is what the API server would hold.
	objects  map[mesh.Key]mesh.Value
	problems map[mesh.Key]*mesh.Problems
	sims     []*sim
	// pivots, if set, are counted.
	pivots *pivots
	// forget makes the engine lose reads, for the mutation test.
	forget func(mesh.Key) bool
	mutant bool
	// story is what was done last, for a failure.
	story string
}

// sim is one simulated proxy on a stream of the engine.
type sim struct {
	world  *world
	client *adsclient.Client
	proxy  mesh.Proxy
	stream *stream
	// stalled: it reads nothing. slow: it does not answer.
	stalled, slow bool
	unsent        []*discoveryv3.DeltaDiscoveryRequest
	// trace is what went to and fro on this stream.
	trace []string
	// poison are versions that it refuses, by type and name.
	poison map[resource.Name]string
}

func newWorld(t *testing.T, r room) *world {
	w := &world{t: t, room: r, objects: map[mesh.Key]mesh.Value{}, problems: map[mesh.Key]*mesh.Problems{}}
	w.restart()
	return w
}

// restart replaces the engine by a new one that is fed the current objects in
// another order.
func (w *world) restart() {
	w.engine = New(Config{
		Store: mesh.NewStore(w.room.indexes()), Derivations: w.room.derivations(), FactsOf: w.room.factsOf,
		Types: w.room.types(), Strict: true, Log: logr.Discard(),
		OnProblems: func(changed map[mesh.Key]*mesh.Problems) {
			for k, p := range changed {
				if w.problems[k] = p; p == nil {
					delete(w.problems, k)
				}
			}
		},
	})
	var changes []mesh.Change
	for k, v := range w.objects {
		changes = append(changes, mesh.Change{Key: k, Value: v})
	}
	w.engine.Apply(changes)
	w.engine.step()
	clear(w.problems)
	w.engine.Synced()
	w.engine.step()
	w.engine.dropRead = w.forget
}

// fail ends the test with the story so far.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	if w.mutant {
		panic(caught{})
	}
	w.t.Fatalf(w.story+"\n"+format, args...)
}

func (w *world) put(changes ...mesh.Change) {
	for _, c := range changes {
		if c.Value == nil {
			delete(w.objects, c.Key)
		} else {
			w.objects[c.Key] = c.Value
		}
	}
	turn := func() {
		w.engine.Apply(changes)
		w.engine.step()
	}
	if w.pivots == nil {
		turn()
	} else {
		w.pivots.around(w.engine, turn)
	}
}

func (w *world) join(p mesh.Proxy) *sim {
	s := &sim{world: w, proxy: p, client: adsclient.New(&corev3.Node{Id: p.ID}), poison: map[resource.Name]string{}}
	s.client.Fault = func(format string, args ...any) {
		if len(s.poison) > 0 && strings.Contains(format, "domain") {
			return // It keeps a domain that moved to another.
		}
		w.t.Helper()
		s.fail(format, args...)
	}
	s.client.Reject = func(t resource.TypeURL, name string, r adsclient.Resource) string {
		// "*" refuses the next version that is another one. What it does not
		// hold it takes: else other things would be missing too.
		at, held := resource.Name{Type: t, Name: name}, s.client.Holds[t][name].Version
		if held == "" {
			return ""
		}
		if s.poison[at] == "*" && held != r.Version {
			s.poison[at] = r.Version
		}
		if s.poison[at] == r.Version {
			return "poisoned"
		}
		return ""
	}
	w.sims = append(w.sims, s)
	s.connect()
	return s
}

func (s *sim) connect() {
	s.stream = s.world.engine.Connect(s.proxy).(*stream)
	s.unsent = s.client.Connect()
	s.stalled, s.slow, s.trace = false, false, nil
}

func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// fail ends the test with what this proxy saw last.
func (s *sim) fail(format string, args ...any) {
	s.world.t.Helper()
	last := s.trace[max(0, len(s.trace)-12):]
	s.world.fail("%s\n%s: "+format, append([]any{strings.Join(last, "\n"), s.proxy.ID}, args...)...)
}

func (s *sim) disconnect() { s.stream.Close() }

// pump lets everybody read and answer until nothing moves.
func (w *world) pump() {
	for range 1000 {
		moved := false
		for _, s := range w.sims {
			moved = s.work() || moved
		}
		w.engine.step()
		if !moved {
			return
		}
	}
	w.fail("the proxies and the engine never come to rest")
}

// work sends what is unsent and reads one push.
func (s *sim) work() bool {
	moved := false
	if !s.slow && len(s.unsent) > 0 {
		for i, r := range s.unsent {
			if i%maxBacklog == maxBacklog-1 {
				s.world.engine.step()
			}
			s.note("-> %s +%v -%v held %d answers %q %s", path.Base(r.GetTypeUrl()), r.GetResourceNamesSubscribe(), r.GetResourceNamesUnsubscribe(), len(r.GetInitialResourceVersions()), r.GetResponseNonce(), r.GetErrorDetail().GetMessage())
			s.stream.Request(&cache.Request{
				Type: resource.TypeURL(r.GetTypeUrl()), Subscribe: r.GetResourceNamesSubscribe(), Unsubscribe: r.GetResourceNamesUnsubscribe(),
				Versions: heldOf(r), Nonce: r.GetResponseNonce(), Error: r.GetErrorDetail().GetMessage(),
			})
		}
		s.unsent, moved = nil, true
	}
	if s.stalled {
		return moved
	}
	select {
	case p := <-s.stream.pushes:
		for _, r := range p.Responses {
			names := make([]string, len(r.Resources))
			for i, res := range r.Resources {
				names[i] = res.Name
			}
			s.note("<- %s %s %v -%v", r.Type.Short(), r.Nonce, names, r.Removed)
			msg := &discoveryv3.DeltaDiscoveryResponse{}
			if err := proto.Unmarshal(bytes.Join(r.Buffers(), nil), msg); err != nil {
				s.world.t.Fatal(err)
			}
			s.unsent = append(s.unsent, s.client.Receive(msg)...)
			s.boundary()
		}
		s.stream.Written()
		return true
	default:
		return moved
	}
}

// boundary asks what must hold between any two responses: what is named is
// there, and the domains of a route table are disjoint.
func (s *sim) boundary() {
	s.world.t.Helper()
	if len(s.poison) > 0 {
		return // What it refused names what it did not get.
	}
	clusters := s.client.Holds[resource.Cluster]
	domains := map[string]string{}
	for _, typ := range []resource.TypeURL{resource.Listener, resource.Route, resource.VirtualHost} {
		for name, r := range s.client.Holds[typ] {
			for _, c := range r.Refs().Clusters {
				if _, ok := clusters[c]; !ok {
					s.fail("%s %s names cluster %s, which is not there", typ.Short(), name, c)
				}
			}
			outer, _, _ := strings.Cut(name, "/")
			for _, d := range r.Refs().Domains {
				if other, taken := domains[outer+"/"+d]; taken {
					s.fail("domain %s of %s is also in %s", d, name, other)
				}
				domains[outer+"/"+d] = name
			}
		}
	}
}

// holds is what a proxy has, as type/name to version.
func (s *sim) holds() map[string]string {
	out := map[string]string{}
	for typ, names := range s.client.Holds {
		for name, r := range names {
			// Who refuses a cluster does not ask for its assignment.
			refused := s.poison[resource.Name{Type: typ, Name: name}] != "" ||
				typ == resource.Endpoints && s.poison[resource.Name{Type: resource.Cluster, Name: name}] != ""
			if !refused {
				out[typ.Short()+"/"+name] = r.Version
			}
		}
	}
	return out
}

// compare asks that every proxy that is not held back has what a new engine,
// fed the current objects in another order, would give it.
func (w *world) compare() {
	w.t.Helper()
	fresh := &world{t: w.t, story: w.story, mutant: w.mutant, room: w.room, objects: w.objects, problems: map[mesh.Key]*mesh.Problems{}}
	fresh.restart()
	for _, s := range w.sims {
		fresh.join(s.proxy).client.Reject = nil
		// It refuses nothing; what s refuses is not compared.
		fresh.sims[len(fresh.sims)-1].poison = s.poison
	}
	fresh.pump()
	for i, s := range w.sims {
		if s.stalled || s.slow {
			continue
		}
		want, got := fresh.sims[i].holds(), s.holds()
		for name, version := range want {
			if s.refusesVirtualHosts() && strings.HasPrefix(name, resource.VirtualHost.Short()) {
				continue // One that is refused may keep a domain of another.
			}
			if cluster, ok := strings.CutPrefix(name, resource.Endpoints.Short()+"/"); ok && s.poison[resource.Name{Type: resource.Cluster, Name: cluster}] != "" {
				continue // It may refuse that the cluster has endpoints at all.
			}
			if got[name] != version {
				s.fail("holds %s %q, a new engine gives %q", name, got[name], version)
			}
		}
		for name := range got {
			// What it goes on with may need what others need no more.
			if _, ok := want[name]; !ok && len(s.poison) == 0 {
				s.fail("holds %s, which a new engine does not give", name)
			}
		}
		if len(s.poison) == 0 && len(s.client.Warming) > 0 {
			s.fail("clusters wait for their assignment: %v", slices.Sorted(maps.Keys(s.client.Warming)))
		}
	}
	if !maps.EqualFunc(w.problems, fresh.problems, func(a, b *mesh.Problems) bool { return a.Equal(b) }) {
		w.fail("problems are %v, a new engine gives %v", w.problems, fresh.problems)
	}
}

func (s *sim) refusesVirtualHosts() bool {
	for n := range s.poison {
		if n.Type == resource.VirtualHost {
			return true
		}
	}
	return false
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// heldOf is what a client says that it holds, in any order.
func heldOf(r *discoveryv3.DeltaDiscoveryRequest) (out []cache.Held) {
	for name, version := range r.GetInitialResourceVersions() {
		out = append(out, cache.Held{Name: name, Version: version})
	}
	return out
}
