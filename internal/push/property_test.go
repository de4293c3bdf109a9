package push

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

var propertySteps = flag.Int("property-steps", 700, "steps of the property test for each seed")

// run plays a random story: changes in batches, proxies that come, go, stall and
// refuse, engines that are restarted. After every step every proxy that is not
// held back must hold what a new engine gives.
func (w *world) run(seed uint64, steps int) {
	g := gen{rand.New(rand.NewPCG(seed, 1))}
	w.put(mesh.Change{Key: mesh.ConfigKey, Value: g.value(mesh.ConfigKey)})
	var first []mesh.Change
	for _, k := range genKeys() {
		if g.chance(60) {
			first = append(first, mesh.Change{Key: k, Value: g.value(k)})
		}
	}
	w.put(first...)
	for _, p := range genProxies() {
		w.join(p)
	}
	w.pump()
	w.compare()
	for step := range steps {
		var batch []mesh.Change
		for range 1 + g.IntN(4)*g.IntN(2) {
			batch = append(batch, w.next(g))
		}
		story := fmt.Sprintf("seed %d step %d:", seed, step)
		for _, c := range batch {
			story += "\n  " + describe(c)
		}
		w.story = story + w.disturb(g)
		w.put(batch...)
		w.pump()
		w.compare()
	}
}

// disturb does something to the proxies now and then.
func (w *world) disturb(g gen) string {
	s := one(g, w.sims...)
	switch g.IntN(40) {
	case 0:
		s.stalled = true
		return "\n  stall " + s.proxy.ID
	case 1:
		s.slow = true
		return "\n  slow " + s.proxy.ID
	case 2, 3, 4, 5:
		for _, s := range w.sims {
			s.stalled, s.slow = false, false
		}
		return "\n  all go on"
	case 6, 7:
		s.disconnect()
		s.connect()
		return "\n  reconnect " + s.proxy.ID
	case 8:
		w.restart()
		for _, s := range w.sims {
			s.connect()
		}
		return "\n  restart"
	case 9:
		// It refuses what comes next for one name that it holds.
		name := s.refusable(g)
		s.poison[name] = "*"
		return fmt.Sprintf("\n  %s refuses %v", s.proxy.ID, name)
	case 10, 11:
		// All take everything again, on a new stream.
		for _, s := range w.sims {
			if len(s.poison) > 0 {
				clear(s.poison)
				clear(s.client.Warming) // Envoy waits for a refused assignment no longer than its timeout.
				s.disconnect()
				s.connect()
			}
		}
		return "\n  nobody refuses"
	}
	return ""
}

func (s *sim) refusable(g gen) resource.Name {
	t := one(g, resource.Cluster, resource.VirtualHost, resource.Endpoints)
	names := slices.Sorted(maps.Keys(s.client.Holds[t]))
	if len(names) == 0 {
		return resource.Name{Type: t, Name: "none"}
	}
	return resource.Name{Type: t, Name: one(g, names...)}
}

func TestEveryProxyHoldsWhatANewEngineGives(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprintf("toy, seed %d", seed), func(t *testing.T) {
			newWorld(t, toy).run(seed, *propertySteps/2)
		})
	}
	p := &pivots{read: map[pair]int{}, pivotal: map[pair]int{}}
	for seed := uint64(1); seed <= 3 || seed <= 10 && p.incomplete(); seed++ {
		t.Run(fmt.Sprintf("mesh, seed %d", seed), func(t *testing.T) {
			w := newWorld(t, realRoom)
			w.pivots = p
			w.run(seed, *propertySteps)
		})
	}
	// Otherwise the story could not tell the read from a forgotten one: let the
	// generator change what such a key stands for, or say why it is redundant.
	if missing, text := p.report(); len(missing) > 0 {
		t.Errorf("never pivotal: %v\n%s", missing, text)
	}
}

func (p *pivots) incomplete() bool {
	missing, _ := p.report()
	return len(missing) > 0
}
