package push

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// rig is an engine stepped by hand with one stream that the test speaks for.
type rig struct {
	t      *testing.T
	engine *Engine
	stream *stream
}

func newRig(t *testing.T, types []resource.Type, strict bool) *rig {
	e := New(Config{
		Store: mesh.NewStore(toyIndexes()), Derivations: toyDerivations(), FactsOf: toyFactsOf, Types: types, Strict: strict, Log: logr.Discard(),
	})
	r := &rig{t: t, engine: e}
	r.stream = e.Connect(mesh.Proxy{ID: "p", Type: mesh.ProxySidecar, Namespace: "a", Pod: "p0"}).(*stream)
	e.step()
	return r
}

func (r *rig) put(changes ...mesh.Change) {
	r.engine.Apply(changes)
	r.engine.step()
}

func (r *rig) ask(req cache.Request) {
	r.stream.Request(&req)
	r.engine.step()
}

// read is the push that waits, as lines of type +sent -removed; nil if none does.
// It is written, but not answered.
func (r *rig) read() (lines []string, nonces []string) {
	select {
	case p := <-r.stream.pushes:
		for _, resp := range p.Responses {
			line := resp.Type.Short()
			for _, res := range resp.Resources {
				line += " +" + res.Name
			}
			for _, name := range resp.Removed {
				line += " -" + name
			}
			lines, nonces = append(lines, line), append(nonces, resp.Nonce)
		}
		r.stream.Written()
		r.engine.step()
	default:
	}
	return lines, nonces
}

func (r *rig) want(lines ...string) (nonces []string) {
	r.t.Helper()
	got, nonces := r.read()
	if diff := cmp.Diff(lines, got); diff != "" {
		r.t.Errorf("push (-want +got):\n%s", diff)
	}
	return nonces
}

func toyServiceChange(name string, edit func(*mesh.Service)) mesh.Change {
	s := &mesh.Service{
		Namespace: "a", Name: name, Hostname: name + ".a.svc.cluster.local",
		Ports: []mesh.ServicePort{{Name: "http", Number: 80, Protocol: mesh.ProtocolHTTP}},
	}
	if edit != nil {
		edit(s)
	}
	return mesh.Change{Key: mesh.Key{Kind: mesh.KindService, Namespace: "a", Name: name}, Value: s}
}

func toyRuleChange(timeout time.Duration) mesh.Change {
	return mesh.Change{
		Key: mesh.Key{Kind: mesh.KindDestinationRule, Namespace: "a", Name: "r"},
		Value: &mesh.DestinationRule{Meta: mesh.Meta{Namespace: "a", Name: "r"}, Host: "x.a.svc.cluster.local", Policy: mesh.TrafficPolicy{
			Pool: &mesh.ConnectionPool{ConnectTimeout: timeout},
		}},
	}
}

const toyX = "outbound|80||x.a.svc.cluster.local"

func TestAWildcardClientIsAnsweredEvenIfThereIsNothing(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.ask(cache.Request{Type: resource.Cluster})
	r.want("Cluster")
	r.ask(cache.Request{Type: resource.Listener})
	r.want("Listener +virtualOutbound")
}

func TestNamesThatDoNotExistAreAnsweredAndRemembered(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.ask(cache.Request{Type: resource.Cluster, Subscribe: []string{everything, toyX}})
	r.want("Cluster -" + toyX)
	r.ask(cache.Request{Type: resource.Endpoints, Subscribe: []string{toyX}})
	r.want("ClusterLoadAssignment -" + toyX)
	r.ask(cache.Request{Type: resource.Route, Subscribe: []string{"80"}})
	r.want("RouteConfiguration -80")
	r.ask(cache.Request{Type: resource.VirtualHost, Subscribe: []string{"80/y.a.svc.cluster.local"}})
	// Envoy waits for a name on demand until one without a body says no.
	r.want("VirtualHost +80/y.a.svc.cluster.local")
	r.put(toyServiceChange("x", nil))
	r.want("Cluster +"+toyX, "ClusterLoadAssignment +"+toyX, "RouteConfiguration +80", "VirtualHost +80/x.a.svc.cluster.local:80")
}

func TestAChangeAndItsReverseSendNothing(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil), toyServiceChange("y", nil))
	r.ask(cache.Request{Type: resource.Cluster})
	p := <-r.stream.pushes // Read, but not written yet: the stream is busy.
	if len(p.Responses) != 1 {
		t.Fatalf("push %v", p)
	}
	r.put(toyRuleChange(time.Minute))
	r.put(mesh.Change{Key: toyRuleChange(0).Key})
	r.put(toyServiceChange("y", func(s *mesh.Service) { s.ExportTo = []string{"."} }))
	r.stream.Written()
	r.engine.step()
	r.want()
}

func TestWhatArrivesWhileAStreamIsBusyIsOnePush(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil))
	r.ask(cache.Request{Type: resource.Cluster})
	<-r.stream.pushes
	for i := range 5 {
		r.put(toyRuleChange(time.Duration(i+2) * time.Second))
	}
	r.stream.Written()
	r.engine.step()
	r.want("Cluster +" + toyX)
	r.want()
}

// serve brings the rig to a client that holds everything and has said so.
func (r *rig) serve() {
	r.t.Helper()
	for _, req := range []cache.Request{
		{Type: resource.Cluster},
		{Type: resource.Endpoints, Subscribe: []string{toyX}},
		{Type: resource.Listener},
		{Type: resource.Route, Subscribe: []string{"80"}},
		{Type: resource.VirtualHost},
	} {
		r.ask(req)
		_, nonces := r.read()
		r.ask(cache.Request{Type: req.Type, Nonce: nonces[0]})
	}
	r.want()
}

func TestAClusterIsRemovedOnceItsRoutesAreAcknowledged(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil))
	r.serve()
	r.put(mesh.Change{Key: toyServiceChange("x", nil).Key})
	nonces := r.want("Listener -0.0.0.0_80")
	r.want()
	r.ask(cache.Request{Type: resource.Listener, Nonce: nonces[0]})
	nonces = r.want("Cluster -" + toyX)
	r.ask(cache.Request{Type: resource.Endpoints, Unsubscribe: []string{toyX}})
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[0]})
	r.want()
}

func TestAClusterOutlivesTheDrainOfItsListener(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	now := time.Unix(1, 0)
	r.engine.clock, r.engine.drain = func() time.Time { return now }, time.Hour
	r.put(toyServiceChange("x", nil))
	r.serve()
	r.put(mesh.Change{Key: toyServiceChange("x", nil).Key})
	nonces := r.want("Listener -0.0.0.0_80")
	r.ask(cache.Request{Type: resource.Listener, Nonce: nonces[0]})
	r.want()
	// Meanwhile it comes back: nothing was lost, and only what went is sent.
	r.put(toyServiceChange("x", nil))
	nonces = r.want("Listener +0.0.0.0_80")
	r.ask(cache.Request{Type: resource.Listener, Nonce: nonces[0]})
	r.put(mesh.Change{Key: toyServiceChange("x", nil).Key})
	nonces = r.want("Listener -0.0.0.0_80")
	r.ask(cache.Request{Type: resource.Listener, Nonce: nonces[0]})
	now = now.Add(2 * time.Hour)
	r.engine.post(func() { r.engine.queue(r.stream) })
	r.engine.step()
	r.want("Cluster -" + toyX)
}

func TestARejectedResponseIsSentAgainInHalvesUntilOneIsLeft(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", nil), toyServiceChange("y", nil), toyServiceChange("z", nil))
	r.ask(cache.Request{Type: resource.Cluster})
	y, z := strings.Replace(toyX, "x.a", "y.a", 1), strings.Replace(toyX, "x.a", "z.a", 1)
	nonces := r.want("Cluster +" + toyX + " +" + y + " +" + z)
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[0], Error: "bad"})
	nonces = r.want("Cluster +"+toyX, "Cluster +"+y+" +"+z)
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[0]})
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[1], Error: "bad"})
	nonces = r.want("Cluster +"+y, "Cluster +"+z)
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[0]})
	r.ask(cache.Request{Type: resource.Cluster, Nonce: nonces[1], Error: "bad z"})
	r.want()
	state := r.engine.states()[0].Types[0]
	if state.Nacks != 3 || len(state.Rejected) != 1 || state.Rejected[0].Name != z || state.Rejected[0].Error != "bad z" {
		t.Errorf("state %+v", state)
	}
	// Only a change of its bytes brings it again.
	r.put(toyRuleChange(time.Minute))
	r.want("Cluster +" + toyX)
	r.put(toyServiceChange("z", func(s *mesh.Service) { s.ExportTo = []string{"~", "."} }))
	r.want()
}

func TestABuildThatPanicsKeepsTheLastGood(t *testing.T) {
	types := toyTypes()
	good := types[0].Build
	types[0].Build = func(r mesh.Reader, name string) resource.Built {
		b := good(r, name)
		if c, ok := b.Msg.(*clusterv3.Cluster); ok && c.GetConnectTimeout().AsDuration() == 13*time.Second {
			panic(errors.New("thirteen"))
		}
		return b
	}
	r := newRig(t, types, false)
	r.put(toyServiceChange("x", nil), toyServiceChange("y", nil))
	r.serve()
	r.put(toyRuleChange(13 * time.Second))
	r.want()
	r.put(toyRuleChange(14 * time.Second))
	r.want("Cluster +"+toyX, "ClusterLoadAssignment +"+toyX)
}

func TestAReadPastTheReaderIsNoticed(t *testing.T) {
	hidden := []string{"a"}
	types := []resource.Type{{
		URL: resource.Cluster, Wildcard: true, Static: []string{"c"},
		Build: func(r mesh.Reader, name string) resource.Built {
			r.Among(mesh.Fact{Kind: mesh.FactNamespace}, hidden)
			return resource.Built{Msg: &clusterv3.Cluster{Name: name}}
		},
	}}
	r := newRig(t, types, true)
	r.ask(cache.Request{Type: resource.Cluster})
	hidden = []string{"b"}
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, errUnrecorded.Error()) {
			t.Errorf("recovered %q", text)
		}
	}()
	// Its namespace gives another answer, so the resource is built for it.
	s := r.engine.Connect(mesh.Proxy{ID: "q", Namespace: "b"})
	s.Request(&cache.Request{Type: resource.Cluster})
	r.engine.step()
}

func TestProxiesThatAnswerAlikeShareAClassAndItsBytes(t *testing.T) {
	r := newRig(t, toyTypes(), true)
	r.put(toyServiceChange("x", func(s *mesh.Service) { s.ExportTo = []string{"."} }))
	r.ask(cache.Request{Type: resource.Cluster})
	var others []*stream
	for _, ns := range []string{"a", "b", "c"} {
		s := r.engine.Connect(mesh.Proxy{ID: ns, Type: mesh.ProxySidecar, Namespace: ns}).(*stream)
		s.Request(&cache.Request{Type: resource.Cluster})
		others = append(others, s)
	}
	r.engine.step()
	k := r.engine.byURL[resource.Cluster]
	class := func(s *stream) *class { return s.subs[k.rank].class }
	if class(r.stream) != class(others[0]) || class(others[1]) != class(others[2]) || class(others[0]) == class(others[1]) {
		t.Error("classes are not by whether the namespace is a")
	}
	if len(k.classes) != 2 || r.engine.leaves != 2 {
		t.Errorf("%d classes, %d leaves; want 2 of each", len(k.classes), r.engine.leaves)
	}
	first, second := (<-r.stream.pushes).Responses[0].Resources, (<-others[0].pushes).Responses[0].Resources
	if !slices.Equal(first, second) || len(first) != 1 {
		t.Errorf("resources are not shared: %v and %v", first, second)
	}
}

func TestWhatNobodyReadsAnyMoreIsForgotten(t *testing.T) {
	w := newWorld(t, toy)
	w.put(toyServiceChange("x", nil), toyRuleChange(time.Minute))
	for _, p := range genProxies() {
		w.join(p)
	}
	w.pump()
	for _, s := range w.sims {
		s.disconnect()
	}
	w.sims = nil
	w.put(mesh.Change{Key: toyServiceChange("x", nil).Key}, mesh.Change{Key: toyRuleChange(0).Key})
	for _, k := range w.engine.kinds {
		for _, c := range k.classes {
			w.engine.drop(c)
		}
	}
	e := w.engine
	if e.leaves != 0 || len(e.entries) != 0 || len(e.derived) != 0 {
		t.Errorf("left over: %d leaves, entries %v, derived %v", e.leaves, e.entries, e.derived)
	}
}
