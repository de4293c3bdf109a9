package push

import (
	"fmt"

	"github.com/meshwright/meshwright/internal/mesh"
)

// maxIdle is how many classes without streams are kept per type: proxies that
// reconnect then find theirs built.
const maxIdle = 8

// class is a set of proxies that agree on every fact that a type's trees
// mention. They share one list of leaves.
type class struct {
	kind *kind
	id   string
	sig  string
	// facts are those of one member; they speak for all.
	facts mesh.Facts
	// leaves is the list, by slot. nil is a name that is not built for this
	// class: nobody in it asked for it. Of wildcard types all names are built.
	leaves  []*leaf
	streams []*stream
	// changed is what this turn changed.
	changed []change
}

// change is a name whose bytes became others, and what they were.
type change struct {
	cell *cell
	was  string
}

func (c *class) leaf(slot int) *leaf {
	if slot >= len(c.leaves) {
		return nil
	}
	return c.leaves[slot]
}

// set replaces one leaf of the list; the old one is dropped if nobody else
// holds it.
func (e *Engine) set(c *class, slot int, l *leaf) {
	old := c.leaf(slot)
	if old == l {
		return
	}
	if slot >= len(c.leaves) {
		c.leaves = append(c.leaves, make([]*leaf, len(c.kind.slots)-len(c.leaves))...)
	}
	c.leaves[slot] = l
	if l != nil {
		l.holders++
	}
	e.letGo(old)
}

func (e *Engine) letGo(l *leaf) {
	if l == nil {
		return
	}
	l.holders--
	if l.holders == 0 {
		l.cell.prune(l)
		e.forget(&l.computation)
		l.dirty = false
		e.leaves--
	}
}

// ensure returns the leaf of a class for a cell, built if need be.
func (e *Engine) ensure(c *class, cl *cell) *leaf {
	if l := c.leaf(cl.slot); l != nil && !l.dirty {
		return l
	}
	l := cl.find(c.facts)
	if l == nil {
		l = e.build(c, cl)
	}
	e.set(c, cl.slot, l)
	return l
}

// classOf returns the class of these facts; it makes one if there is none.
func (e *Engine) classOf(k *kind, f mesh.Facts) *class {
	sig := k.sign(f)
	if c := k.classes[sig]; c != nil {
		return c
	}
	k.classNo++
	c := &class{kind: k, id: fmt.Sprintf("%d", k.classNo), sig: sig, facts: f}
	k.classes[sig] = c
	k.idle = append(k.idle, c)
	if k.Wildcard {
		for _, cl := range k.slots {
			if cl != nil {
				e.ensure(c, cl)
			}
		}
	}
	return c
}

// join puts a stream into the class of its facts, without marking anything.
func (e *Engine) join(s *stream, k *kind) *class {
	c := e.classOf(k, s.facts)
	sub := &s.subs[k.rank]
	sub.class, sub.at = c, len(c.streams)
	c.streams = append(c.streams, s)
	if len(c.streams) == 1 {
		k.wake(c)
	}
	return c
}

func (k *kind) wake(c *class) {
	for i, idle := range k.idle {
		if idle == c {
			k.idle = append(k.idle[:i], k.idle[i+1:]...)
			return
		}
	}
}

// leave takes a stream out of its class.
func (e *Engine) leave(s *stream, k *kind) {
	sub := &s.subs[k.rank]
	c := sub.class
	sub.class = nil
	last := len(c.streams) - 1
	moved := c.streams[last]
	c.streams[sub.at] = moved
	moved.subs[k.rank].at = sub.at
	c.streams[last] = nil
	c.streams = c.streams[:last]
	if last > 0 {
		return
	}
	if k.classes[c.sig] != c {
		e.drop(c)
		return
	}
	k.idle = append(k.idle, c)
	if len(k.idle) > maxIdle {
		old := k.idle[0]
		k.idle = k.idle[1:]
		e.drop(old)
	}
}

// drop ends a class that has no stream.
func (e *Engine) drop(c *class) {
	if c.kind.classes[c.sig] == c {
		delete(c.kind.classes, c.sig)
	}
	for slot, l := range c.leaves {
		c.leaves[slot] = nil
		e.letGo(l)
	}
}

// resign puts every stream into the class of its signature, for the types whose
// mentions grew and the streams whose facts changed. Building for a class that
// is new may mention more, so it goes on until nothing grows.
func (e *Engine) resign() {
	for again := true; again; {
		again = false
		for _, k := range e.kinds {
			if k.stale {
				again = true
				k.stale = false
				e.rekey(k)
				for _, s := range e.streams {
					e.move(s, k)
				}
			}
		}
		for _, s := range e.moved {
			for _, k := range e.kinds {
				e.move(s, k)
			}
		}
		e.moved = nil
	}
}

// rekey signs the classes anew. Two of them may agree now, where one was made
// while the signatures were old: the streams of the one that is not kept move.
func (e *Engine) rekey(k *kind) {
	old := k.classes
	k.classes = make(map[string]*class, len(old))
	for _, c := range old {
		c.sig = k.sign(c.facts)
		kept := k.classes[c.sig]
		if kept == nil || len(kept.streams) < len(c.streams) {
			kept, k.classes[c.sig] = c, c
		}
	}
	for _, c := range old {
		if k.classes[c.sig] != c && len(c.streams) == 0 {
			k.wake(c)
			e.drop(c)
		}
	}
}

// move puts a stream into the right class and marks what differs.
func (e *Engine) move(s *stream, k *kind) {
	sub := &s.subs[k.rank]
	from := sub.class
	if from == nil || s.closed {
		return
	}
	if c := k.classes[k.sign(s.facts)]; c == from {
		return
	}
	// The old list must outlive the comparison.
	before := make([]string, len(k.slots))
	for slot, l := range from.leaves {
		before[slot] = l.version()
	}
	e.leave(s, k)
	to := e.join(s, k)
	for slot, cl := range k.slots {
		if cl == nil || !s.wants(k, e.target(cl)) {
			continue
		}
		if now := e.ensure(to, cl).version(); now != before[slot] {
			e.mark(s, k, cl, before[slot])
		}
	}
}
