package push

import (
	"slices"
	"time"

	"github.com/meshwright/meshwright/internal/mesh"
)

// turn applies changes and brings everything that read them up to date: derived
// values, facts of proxies, names, leaves, classes. What a stream must be sent
// is marked on it; nothing is sent here.
func (e *Engine) turn(changes []mesh.Change) {
	for _, c := range changes {
		e.store.Put(c.Key, c.Value)
		e.wakeWaiters(c.Key)
	}
	delta := e.store.TakeDelta()
	if delta.Empty() {
		return
	}
	start := time.Now()
	e.turns++
	for _, k := range delta.Keys {
		e.touch(k)
	}
	for _, b := range delta.Buckets {
		e.touch(b)
	}
	e.derive(delta.Keys)
	e.refreshFacts()
	e.respawn(delta.Keys)
	e.rebuild()
	e.fanOut()
	e.rescope()
	e.bury()
	e.sweep()
	e.resign()
	e.reportProblems()
	e.metrics.turn(time.Since(start))
}

// refreshFacts computes the facts of proxies anew whose pod has changed.
func (e *Engine) refreshFacts() {
	dirty := e.dirtyFacts
	e.dirtyFacts = nil
	for _, s := range dirty {
		if !s.closed {
			e.computeFacts(s)
			e.moved = append(e.moved, s)
		}
	}
}

func (e *Engine) computeFacts(s *stream) {
	e.forget(&s.computation)
	s.dirty = false
	rec := e.record(&s.computation, len(e.derivations), nil)
	defer func() {
		if p := recover(); p != nil {
			e.panicked("facts", s.proxy.ID, p)
		}
	}()
	s.facts = e.factsOf(rec, s.proxy)
}

// respawn finds out which names the changed values give rise to.
func (e *Engine) respawn(changed []mesh.Key) {
	for _, key := range changed {
		for _, k := range e.spawners[key.Kind] {
			if k.spawned[key] == nil {
				sp := &spawned{kind: k, key: key}
				sp.dirtied = func() { e.dirtySpawns = append(e.dirtySpawns, sp) }
				k.spawned[key] = sp
			}
			if sp := k.spawned[key]; !sp.dirty {
				sp.dirty = true
				sp.dirtied()
			}
		}
	}
	dirty := e.dirtySpawns
	e.dirtySpawns = nil
	for _, sp := range dirty {
		e.spawn(sp)
	}
}

func (e *Engine) spawn(sp *spawned) {
	e.forget(&sp.computation)
	sp.dirty = false
	before := sp.names
	sp.names = e.callSpawn(sp)
	if len(e.scopes) > 0 && !slices.Equal(before, sp.names) {
		e.respawned = append(e.respawned, sp.key)
	}
	for _, n := range sp.names {
		e.count(sp.kind.cell(n), 1)
	}
	for _, n := range before {
		e.count(sp.kind.cells[n], -1)
	}
	if len(sp.names) == 0 && e.store.Get(sp.key) == nil {
		e.forget(&sp.computation)
		delete(sp.kind.spawned, sp.key)
	}
}

func (e *Engine) callSpawn(sp *spawned) (names []string) {
	rec := e.record(&sp.computation, len(e.derivations), nil)
	defer func() {
		if p := recover(); p != nil {
			e.panicked("spawn "+string(sp.kind.URL), sp.key.String(), p)
			names = sp.names
		}
	}()
	names = slices.Clone(sp.kind.Spawn(rec, sp.key))
	slices.Sort(names)
	return slices.Compact(names)
}

// count changes how many values give rise to a name; what appears or vanishes
// is settled once all of them are counted.
func (e *Engine) count(c *cell, n int) {
	if !c.queued {
		c.queued = true
		e.queuedCells = append(e.queuedCells, queuedCell{cell: c, existed: c.spawners > 0 || c.static})
	}
	c.spawners += n
}

type queuedCell struct {
	cell    *cell
	existed bool
}

// rebuild makes new leaves where one is dirty, and for names that appeared or
// vanished. Every dirty leaf leaves its tree before anything is built: a tree
// holds leaves of one state only.
func (e *Engine) rebuild() {
	dirty := e.dirtyLeaves
	e.dirtyLeaves = nil
	e.metrics.dirty.Add(float64(len(dirty)))
	for _, l := range dirty {
		l.cell.prune(l)
	}
	// Who asked for a name before it existed must be known before anything is
	// built: a name may want another one that appears with it.
	for _, q := range e.queuedCells {
		q.cell.queued = false
		if !q.existed {
			for _, s := range e.streams {
				s.subs[q.cell.kind.rank].know(q.cell)
			}
		}
	}
	for _, q := range e.queuedCells {
		switch now := q.cell.spawners > 0 || q.cell.static; {
		case now && !q.existed:
			e.appear(q.cell)
		case !now && q.existed:
			e.vanish(q.cell)
		case !now:
			e.buried = append(e.buried, q.cell)
		}
	}
	e.queuedCells = nil
	for _, l := range dirty {
		if !l.dirty {
			continue // Dropped meanwhile.
		}
		for _, c := range l.cell.kind.classes {
			if c.leaf(l.cell.slot) == l {
				e.renew(c, l)
			}
		}
	}
}

// renew replaces a dirty leaf in the list of one class.
func (e *Engine) renew(c *class, old *leaf) {
	cl := old.cell
	if !c.kind.Wildcard && !c.wanted(e.target(cl)) {
		e.set(c, cl.slot, nil)
		return
	}
	if now := e.ensure(c, cl); now.version() != old.version() {
		c.change(e, cl, old.version())
	}
}

func (c *class) change(e *Engine, cl *cell, was string) {
	if len(c.changed) == 0 {
		e.changed = append(e.changed, c)
	}
	c.changed = append(c.changed, change{cell: cl, was: was})
}

// wanted reports whether a stream of the class is to hold the name.
func (c *class) wanted(t target) bool {
	return slices.ContainsFunc(c.streams, func(s *stream) bool { return s.wants(c.kind, t) })
}

// appear builds a new name for the classes that want it.
func (e *Engine) appear(cl *cell) {
	k, t := cl.kind, e.target(cl)
	for _, c := range k.classes {
		if (k.Wildcard || c.wanted(t)) && e.ensure(c, cl).version() != "" {
			c.change(e, cl, "")
		}
	}
}

// vanish takes a name that nothing gives rise to out of all lists. Its slot is
// freed once the streams were told.
func (e *Engine) vanish(cl *cell) {
	for _, c := range cl.kind.classes {
		if l := c.leaf(cl.slot); l != nil {
			if was := l.version(); was != "" {
				c.change(e, cl, was)
			}
			e.set(c, cl.slot, nil)
		}
	}
	e.buried = append(e.buried, cl)
}

// fanOut marks what changed on the streams that hold it.
func (e *Engine) fanOut() {
	for _, c := range e.changed {
		for _, ch := range c.changed {
			t := e.target(ch.cell)
			for _, s := range c.streams {
				if s.wants(c.kind, t) {
					e.mark(s, c.kind, ch.cell, ch.was)
				}
			}
		}
		c.changed = nil
	}
	e.changed = nil
}

// bury frees the slots of names that are gone. Streams that asked for one go on
// asking, by name.
func (e *Engine) bury() {
	for _, cl := range e.buried {
		for _, s := range e.streams {
			s.subs[cl.kind.rank].unknow(cl)
		}
		cl.kind.remove(cl)
	}
	e.buried = nil
}

func (e *Engine) reportProblems() {
	if !e.synced || len(e.problems) == 0 {
		return
	}
	changed := e.problems
	e.problems = map[mesh.Key]*mesh.Problems{}
	if e.onProblems != nil {
		e.onProblems(changed)
	}
}
