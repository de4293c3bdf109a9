package push

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// scope is a set of names that all proxies share whose facts name it. What is
// out of it is for them as if nothing gave rise to it. It stands outside of the
// trees and classes: else there would be a leaf for each scope and name.
type scope struct {
	// sets are the slots by rank of their type.
	sets []slotset
	// holders counts the streams.
	holders int

	// Of a scope that mesh.KindScope derives.
	computation
	key  mesh.Key
	keys *mesh.Scope

	// Of one that is learned: whose it is, the names that stand for what was
	// asked for, and whether it has come to everything.
	workload  string
	asked     map[string]struct{}
	all       bool
	unsettled bool
}

// admits reports whether proxies of the scope may hold the name at all. A nil
// scope is that of full mode without a Sidecar.
func (sc *scope) admits(k *kind, cl *cell) bool {
	learned := sc.learned()
	switch cl.holder {
	case resource.InFullMode:
		if learned {
			return false
		}
	case resource.InAutomaticMode:
		return learned
	case resource.WhoAsked:
		return learned && sc.sets[k.rank].has(cl.slot)
	case resource.WhoNamed:
		if learned {
			return sc.sets[k.rank].has(cl.slot)
		}
	}
	return sc == nil || learned || !cl.scoped || sc.sets[k.rank].has(cl.slot)
}

// holdScope returns the scope that facts name, nil for everything.
func (e *Engine) holdScope(f mesh.Facts) *scope {
	if workload := f.Fact(mesh.Fact{Kind: mesh.FactWorkload}); workload != "" {
		return e.holdLearned(workload)
	}
	name := f.Fact(mesh.Fact{Kind: mesh.FactScope})
	if name == "" {
		return nil
	}
	sc := e.scopes[name]
	if sc == nil {
		sc = &scope{key: mesh.Key{Kind: mesh.KindScope, Name: name}}
		sc.dirtied = func() {}
		e.scopes[name] = sc
		e.readScope(sc)
		sc.sets = e.slotsOf(sc)
	}
	sc.holders++
	return sc
}

func (e *Engine) letGoScope(sc *scope) {
	if sc == nil {
		return
	}
	sc.holders--
	if sc.learned() {
		e.letGoLearned(sc)
	} else if sc.holders == 0 {
		e.forget(&sc.computation)
		delete(e.scopes, sc.key.Name)
	}
}

func (e *Engine) readScope(sc *scope) {
	e.forget(&sc.computation)
	sc.dirty = false
	sc.keys, _ = e.record(&sc.computation, len(e.derivations), nil).Get(sc.key).(*mesh.Scope)
	if sc.keys == nil {
		sc.keys = &mesh.Scope{}
	}
}

// slotsOf are the names that the keys of a scope give rise to.
func (e *Engine) slotsOf(sc *scope) []slotset {
	out := make([]slotset, len(e.kinds))
	for _, k := range e.kinds {
		if k.Scoped == nil {
			continue
		}
		for _, key := range sc.keys.Keys {
			if sp := k.spawned[key]; sp != nil {
				for _, name := range sp.names {
					if cl := k.cells[name]; cl.scoped {
						out[k.rank].add(cl.slot)
					}
				}
			}
		}
	}
	return out
}

// rescope brings scopes up to date, and streams into the scope of their facts,
// and marks what came in and what went out. What changed of a name that stays
// was marked before.
func (e *Engine) rescope() {
	before := map[*scope][]slotset{}
	for _, sc := range e.scopes {
		was := sc.keys
		if sc.dirty {
			e.readScope(sc)
		}
		if sc.keys != was || slices.ContainsFunc(e.respawned, sc.keys.Has) {
			before[sc], sc.sets = sc.sets, e.slotsOf(sc)
		}
	}
	e.respawned = nil
	for _, s := range e.moved {
		if !s.closed {
			e.switchScope(s, before)
		}
	}
	if len(before) == 0 {
		return
	}
	for _, s := range e.streams {
		if old, changed := before[s.scope]; changed && !slices.Contains(e.moved, s) {
			e.compareScopes(s, &scope{sets: old})
		}
	}
}

// switchScope puts a stream whose facts changed into its scope. before has what
// the scopes held that changed in this turn.
func (e *Engine) switchScope(s *stream, before map[*scope][]slotset) {
	old := s.scope
	was := old
	if b, changed := before[old]; changed {
		was = &scope{sets: b}
	}
	s.scope = e.holdScope(s.facts)
	e.teach(s)
	if s.scope != was {
		e.compareScopes(s, was)
	}
	e.letGoScope(old)
}

// compareScopes marks what differs between what a stream was admitted to and
// what it is.
func (e *Engine) compareScopes(s *stream, old *scope) {
	alike := old != nil && s.scope != nil && old.learned() == s.scope.learned()
	for _, k := range e.kinds {
		if s.subs[k.rank].class == nil {
			continue
		}
		if alike {
			for slot := range old.sets[k.rank].differs(s.scope.sets[k.rank]) {
				if cl := k.slots[slot]; cl != nil {
					e.rescopeCell(s, cl, old)
				}
			}
			continue
		}
		for _, cl := range k.slots {
			if cl != nil {
				e.rescopeCell(s, cl, old)
			}
		}
	}
}

// rescopeCell marks a name that the stream was admitted to, or was not. One that
// vanishes in this turn was marked already.
func (e *Engine) rescopeCell(s *stream, cl *cell, old *scope) {
	if cl.spawners == 0 && !cl.static {
		return
	}
	k := cl.kind
	had, has := old.admits(k, cl), s.scope.admits(k, cl)
	if had == has || !s.subscribes(k, e.target(cl)) {
		return
	}
	class := s.subs[k.rank].class
	switch {
	case has && e.ensure(class, cl).version() != "":
		e.mark(s, k, cl.name, "")
	case had && class.leaf(cl.slot).version() != "":
		e.mark(s, k, cl.name, class.leaf(cl.slot).version())
	}
}
