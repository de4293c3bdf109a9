package push

import (
	"fmt"
	"runtime/debug"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// build makes the leaf of a cell for a class. If Build panics, the class keeps
// what it has, with the reads up to the panic: a correction of the data brings
// the next build.
func (e *Engine) build(c *class, cl *cell) *leaf {
	l := &leaf{cell: cl}
	l.dirtied = func() { e.dirtyLeaves = append(e.dirtyLeaves, l) }
	rec := e.record(&l.computation, len(e.derivations), c.facts)
	built, ok := e.call(cl, rec)
	if ok {
		ok = e.encode(l, built)
	}
	if old := c.leaf(cl.slot); !ok && old != nil {
		l.res, l.refs = old.res, old.refs
	}
	if err := cl.insert(rec.asked, l); err != nil {
		e.broken(fmt.Sprintf("build %s %s: %v", cl.kind.URL, cl.name, err))
		// Start the tree anew; leaves of the old one live on in the lists.
		cl.root = nil
		if err := cl.insert(rec.asked, l); err != nil {
			e.broken(err.Error())
		}
	}
	cl.kind.mention(rec.asked)
	e.leaves++
	e.metrics.built(cl.kind.URL)
	return l
}

func (e *Engine) encode(l *leaf, b resource.Built) bool {
	if b.Msg == nil {
		return true
	}
	res, err := cache.Encode(l.cell.kind.URL, l.cell.name, b.Msg)
	if err != nil {
		e.broken(err.Error())
		return false
	}
	l.res, l.refs = res, b.Refs
	return true
}

func (e *Engine) call(cl *cell, rec *recorder) (b resource.Built, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.panicked(string(cl.kind.URL), cl.name, p)
			ok = false
		}
	}()
	return cl.kind.Build(rec, cl.name), true
}

// panicked reports a panic of a pure function: bad data must not stop the mesh.
// In tests it is fatal.
func (e *Engine) panicked(what, name string, p any) {
	if e.strict {
		panic(fmt.Sprintf("%s %s: %v", what, name, p))
	}
	e.metrics.panics.Inc()
	e.log.Error(fmt.Errorf("panic: %v", p), "Keeping the last good value", "typeURL", what, "resource", name, "stack", string(debug.Stack()))
}

// broken reports what must not happen. In tests it is fatal.
func (e *Engine) broken(text string) {
	if e.strict {
		panic(text)
	}
	e.metrics.panics.Inc()
	e.log.Error(nil, "Engine invariant broken", "reason", text)
}
