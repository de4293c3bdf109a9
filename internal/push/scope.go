package push

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// scope is a set of names that all proxies share whose facts name it. What is
// out of it is for them as if nothing gave rise to it. It stands outside of the
// trees and classes: else there would be a leaf for each scope and name.
type scope struct {
	computation
	key  mesh.Key
	keys *mesh.Scope
	// sets are the slots by rank of their type.
	sets []slotset
	// holders counts the streams.
	holders int
}

// admits reports whether the stream may hold the name at all.
func (s *stream) admits(k *kind, t target) bool {
	return s.scope == nil || !t.scoped || s.scope.sets[k.rank].has(t.slot)
}

// holdScope returns the scope that facts name, nil for everything.
func (e *Engine) holdScope(f mesh.Facts) *scope {
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
	if sc.holders == 0 {
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
			e.compareScopes(s, old)
		}
	}
}

// switchScope puts a stream whose facts changed into its scope. before has what
// the scopes held that changed in this turn.
func (e *Engine) switchScope(s *stream, before map[*scope][]slotset) {
	old := s.scope
	var sets []slotset
	if old != nil {
		sets = old.sets
		if b, changed := before[old]; changed {
			sets = b
		}
	}
	s.scope = e.holdScope(s.facts)
	e.letGoScope(old)
	if s.scope != old || s.scope != nil {
		e.compareScopes(s, sets)
	}
}

// compareScopes marks what differs between what a stream was admitted to, nil
// for everything, and what it is.
func (e *Engine) compareScopes(s *stream, old []slotset) {
	for _, k := range e.kinds {
		if k.Scoped == nil || s.subs[k.rank].class == nil {
			continue
		}
		if old != nil && s.scope != nil {
			for slot := range old[k.rank].differs(s.scope.sets[k.rank]) {
				e.rescopeCell(s, k.slots[slot], old[k.rank].has(slot))
			}
			continue
		}
		for _, cl := range k.slots {
			if cl != nil && cl.scoped {
				e.rescopeCell(s, cl, old == nil || old[k.rank].has(cl.slot))
			}
		}
	}
}

// rescopeCell marks a name that the stream was admitted to, or was not. One that
// vanishes in this turn was marked already.
func (e *Engine) rescopeCell(s *stream, cl *cell, had bool) {
	if cl.spawners == 0 && !cl.static {
		return
	}
	k, t := cl.kind, e.target(cl)
	has := s.admits(k, t)
	if had == has || !s.subscribes(k, t) {
		return
	}
	class := s.subs[k.rank].class
	switch {
	case has && e.ensure(class, cl).version() != "":
		e.mark(s, k, cl, "")
	case had && class.leaf(cl.slot).version() != "":
		e.mark(s, k, cl, class.leaf(cl.slot).version())
	}
}
