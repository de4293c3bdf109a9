package push

import (
	"maps"
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

const (
	// maxAsked is how many names one workload may have asked for. One that asks
	// for more gets everything: that costs what full mode costs, and no more.
	maxAsked = 1024
	// maxRemembered is how many workloads without a proxy are remembered.
	maxRemembered = 4096
)

// learned reports whether what the scope holds is learned from what its proxies
// ask for, not read from a Sidecar.
func (sc *scope) learned() bool { return sc != nil && sc.workload != "" }

// holdLearned returns the scope of a workload in automatic mode. What an earlier
// proxy asked for is in it.
func (e *Engine) holdLearned(workload string) *scope {
	sc := e.workloads[workload]
	if sc == nil {
		sc = &scope{workload: workload, asked: map[string]struct{}{}, sets: make([]slotset, len(e.kinds))}
		e.workloads[workload] = sc
	}
	if sc.holders == 0 {
		e.idle = slices.DeleteFunc(e.idle, func(o *scope) bool { return o == sc })
		for name := range sc.asked {
			e.asking.cell(name).spawners++
		}
	}
	sc.holders++
	e.unsettle(sc)
	return sc
}

// letGoLearned keeps the names of a workload without proxies, not what is built.
func (e *Engine) letGoLearned(sc *scope) {
	if sc.holders > 0 {
		return
	}
	for name := range sc.asked {
		e.unspawn(e.asking.cells[name])
	}
	for i := range sc.sets {
		sc.sets[i] = nil
	}
	if e.idle = append(e.idle, sc); len(e.idle) > maxRemembered {
		delete(e.workloads, e.idle[0].workload)
		e.idle = e.idle[1:]
	}
}

// unspawn takes back that a workload asked for a name.
func (e *Engine) unspawn(cl *cell) {
	if cl.spawners--; cl.spawners > 0 {
		return
	}
	for _, c := range cl.kind.classes {
		e.set(c, cl.slot, nil)
	}
	for _, s := range e.streams {
		s.subs[cl.kind.rank].asked.remove(cl.slot)
	}
	for _, sc := range e.workloads {
		sc.sets[cl.kind.rank].remove(cl.slot)
	}
	cl.kind.remove(cl)
}

// learn takes up what a proxy asks for by name. It returns the name that stands
// for it, or the same.
func (e *Engine) learn(s *stream, k *kind, name string) string {
	if k.Asked == nil {
		return name
	}
	stands, ok := k.Asked(name)
	if !ok {
		return name
	}
	if len(s.called) < maxAsked {
		if s.called == nil {
			s.called = map[string]struct{}{}
		}
		s.called[stands] = struct{}{}
	}
	if !s.scope.learned() || !e.ask(s.scope, stands) {
		return name
	}
	return stands
}

// ask adds a name to what a workload has asked for; false if it asked for too
// many.
func (e *Engine) ask(sc *scope, stands string) bool {
	if _, known := sc.asked[stands]; known {
		return true
	}
	if len(sc.asked) >= maxAsked {
		e.giveAll(sc)
		return false
	}
	sc.asked[stands] = struct{}{}
	e.asking.cell(stands).spawners++
	e.unsettle(sc)
	return true
}

// teach tells the scope that a stream has come into what the stream asked for
// before: Envoy does not ask twice.
func (e *Engine) teach(s *stream) {
	if !s.scope.learned() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.called)) {
		if !e.ask(s.scope, name) {
			return
		}
		s.subs[e.asking.rank].asked.add(e.asking.cells[name].slot)
	}
}

// giveAll ends automatic mode for a workload.
func (e *Engine) giveAll(sc *scope) {
	e.log.Info("Giving everything to a workload that asks for too many hosts", "workload", sc.workload, "delta", len(sc.asked))
	sc.all = true
	for _, s := range e.streams {
		if s.scope == sc {
			s.facts = fullFacts{s.facts}
			e.moved = append(e.moved, s)
		}
	}
}

// fullFacts are those of a proxy that would be in automatic mode.
type fullFacts struct{ mesh.Facts }

func (f fullFacts) Fact(q mesh.Fact) string {
	if q.Kind == mesh.FactMode || q.Kind == mesh.FactWorkload {
		return ""
	}
	return f.Facts.Fact(q)
}

// mode makes facts what the workload's past asks for.
func (e *Engine) mode(f mesh.Facts) mesh.Facts {
	if sc := e.workloads[f.Fact(mesh.Fact{Kind: mesh.FactWorkload})]; sc != nil && sc.all {
		return fullFacts{f}
	}
	return f
}

// unsettle notes that what a workload's proxies hold may name something else.
func (e *Engine) unsettle(sc *scope) {
	if sc.learned() && !sc.unsettled {
		sc.unsettled = true
		e.unsettled = append(e.unsettled, sc)
	}
}

// settleScopes brings the sets of workloads in automatic mode up to date: what
// was asked for, and the clusters that their proxies hold something for.
func (e *Engine) settleScopes() (changed bool) {
	list := e.unsettled
	e.unsettled = nil
	for _, sc := range list {
		sc.unsettled = false
		if sc.holders == 0 {
			continue
		}
		changed = true
		var members []*stream
		for _, s := range e.streams {
			if s.scope == sc {
				members = append(members, s)
			}
		}
		old := sc.sets
		sc.sets = make([]slotset, len(e.kinds))
		for name := range sc.asked {
			sc.sets[e.asking.rank].add(e.asking.cells[name].slot)
		}
		seen := map[*class]bool{}
		for _, s := range members {
			for _, k := range e.kinds {
				if c := s.subs[k.rank].class; c != nil && !seen[c] && !k.named() {
					seen[c] = true
					e.addNamed(sc, c)
				}
			}
		}
		for _, s := range members {
			e.compareScopes(s, &scope{workload: sc.workload, sets: old})
		}
	}
	return changed
}

// addNamed adds what the leaves of a class name, as far as the scope admits
// them.
func (e *Engine) addNamed(sc *scope, c *class) {
	if c.kind == e.asking {
		for name := range sc.asked {
			e.ensure(c, c.kind.cells[name])
		}
	}
	for _, l := range c.leaves {
		if l.version() == "" || !sc.admits(c.kind, l.cell) {
			continue
		}
		for _, ref := range l.refs {
			if k := e.byURL[ref.Type]; k != nil && k.named() {
				if cl := k.cells[ref.Name]; cl != nil && cl.holder == resource.WhoNamed {
					sc.sets[k.rank].add(cl.slot)
				}
			}
		}
	}
}

// learnedOf is the state of a scope for people.
func (e *Engine) learnedOf(sc *scope) *cache.Learned {
	out := &cache.Learned{Workload: sc.workload, Asked: slices.Sorted(maps.Keys(sc.asked))}
	for _, k := range e.kinds {
		if k.named() {
			for slot := range sc.sets[k.rank].differs(nil) {
				out.Clusters = append(out.Clusters, k.slots[slot].name)
			}
		}
	}
	slices.Sort(out.Clusters)
	return out
}
