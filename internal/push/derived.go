package push

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// derived is one derived value, kept up to date by what its Compute has read.
type derived struct {
	computation
	key   mesh.Key
	rank  int
	value mesh.Value
	// from are the stored keys that ask for it by For; with none it is dropped
	// once nothing reads it.
	from []mesh.Key
}

// derivedValue computes what is read for the first time.
func (e *Engine) derivedValue(k mesh.Key, rank int) mesh.Value {
	d := e.derived[k]
	if d == nil {
		d = e.newDerived(k, rank)
		d.value = e.computeDerived(d)
	}
	return d.value
}

func (e *Engine) newDerived(k mesh.Key, rank int) *derived {
	d := &derived{key: k, rank: rank}
	d.dirtied = func() { e.dirtyDerived[rank] = append(e.dirtyDerived[rank], d) }
	e.derived[k] = d
	return d
}

// computeDerived runs Compute with new reads. A panic keeps the last good
// value, and the reads up to it, so that a correction of the data is seen.
func (e *Engine) computeDerived(d *derived) (v mesh.Value) {
	e.forget(&d.computation)
	d.dirty = false
	rec := e.record(&d.computation, d.rank, nil)
	defer func() {
		if p := recover(); p != nil {
			e.panicked("derivation", d.key.String(), p)
			v = d.value
		}
	}()
	return e.derivations[d.rank].Compute(rec, d.key)
}

// derive brings derived values up to date, kind by kind in the order of the
// list, so that none reads what is about to change.
func (e *Engine) derive(changed []mesh.Key) {
	for rank := range e.derivations {
		for _, k := range changed {
			e.demand(k, rank)
		}
		dirty := e.dirtyDerived[rank]
		e.dirtyDerived[rank] = nil
		for _, d := range dirty {
			if !d.dirty {
				continue // Dropped.
			}
			if len(d.from) == 0 && e.entries[d.key] == nil {
				e.dropDerived(d)
				continue
			}
			e.settle(d, e.computeDerived(d))
		}
		for _, k := range changed {
			e.release(k, rank)
		}
	}
}

// demand makes sure that what a stored key gives rise to is computed.
func (e *Engine) demand(k mesh.Key, rank int) {
	dv := e.derivations[rank]
	if dv.For == nil || e.store.Get(k) == nil {
		return
	}
	for _, dk := range dv.For(k) {
		d := e.derived[dk]
		if d == nil {
			d = e.newDerived(dk, rank)
			e.settle(d, e.computeDerived(d))
		}
		if !slices.Contains(d.from, k) {
			d.from = append(d.from, k)
		}
	}
}

// release lets go of derived values whose stored key is gone. Called after the
// values are settled, so that the last change, to nil, was seen.
func (e *Engine) release(k mesh.Key, rank int) {
	dv := e.derivations[rank]
	if dv.For == nil || e.store.Get(k) != nil {
		return
	}
	for _, dk := range dv.For(k) {
		d := e.derived[dk]
		if d == nil {
			continue
		}
		d.from = slices.DeleteFunc(d.from, func(f mesh.Key) bool { return f == k })
		if len(d.from) == 0 && e.entries[dk] == nil {
			e.settle(d, nil)
			e.dropDerived(d)
		}
	}
}

// sweep drops derived values that nobody reads any more and no stored key asks
// for, and then what only they have read.
func (e *Engine) sweep() {
	for len(e.orphans) > 0 {
		k := e.orphans[len(e.orphans)-1]
		e.orphans = e.orphans[:len(e.orphans)-1]
		if d := e.derived[k]; d != nil && e.entries[k] == nil && len(d.from) == 0 {
			e.dropDerived(d)
		}
	}
}

func (e *Engine) dropDerived(d *derived) {
	e.forget(&d.computation)
	d.dirty = false
	delete(e.derived, d.key)
}

// settle stores a derived value; an equal one ends the change here.
func (e *Engine) settle(d *derived, v mesh.Value) {
	if d.value == nil && v == nil || d.value != nil && v != nil && d.value.Equal(v) {
		return
	}
	d.value = v
	if d.key.Kind == mesh.KindProblems {
		p, _ := v.(*mesh.Problems)
		e.problems[d.key] = p
	}
	e.touch(d.key)
}
