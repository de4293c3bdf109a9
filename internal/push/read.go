package push

import (
	"fmt"
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// entry is a stored key, a bucket or a derived key that something has read.
type entry struct {
	key     mesh.Key
	readers []readerRef
	// seen is the serial of the last recorder that read it: a computation is
	// listed once however often it reads the same.
	seen uint64
}

// readerRef and edge point at each other, so that either end is removed in
// constant time.
type readerRef struct {
	by   *computation
	edge int
}

type edge struct {
	of *entry
	at int
}

// computation is something that was computed from recorded reads.
type computation struct {
	edges []edge
	dirty bool
	// dirtied is called once when something that was read has changed.
	dirtied func()
}

// reads adds one edge from c to the entry of key.
func (e *Engine) reads(c *computation, key mesh.Key, serial uint64) {
	en := e.entries[key]
	if en == nil {
		en = &entry{key: key}
		e.entries[key] = en
	}
	if en.seen == serial {
		return
	}
	en.seen = serial
	en.readers = append(en.readers, readerRef{by: c, edge: len(c.edges)})
	c.edges = append(c.edges, edge{of: en, at: len(en.readers) - 1})
}

// forget removes all edges of c.
func (e *Engine) forget(c *computation) {
	for _, ed := range c.edges {
		en := ed.of
		last := len(en.readers) - 1
		if ed.at != last {
			moved := en.readers[last]
			en.readers[ed.at] = moved
			moved.by.edges[moved.edge].at = ed.at
		}
		en.readers[last] = readerRef{}
		en.readers = en.readers[:last]
		if last == 0 {
			delete(e.entries, en.key)
			if _, derived := e.ranks[en.key.Kind]; derived {
				e.orphans = append(e.orphans, en.key)
			}
		}
	}
	c.edges = nil
}

// touch marks all that has read key.
func (e *Engine) touch(key mesh.Key) {
	if e.touched != nil {
		e.touched(key)
	}
	en := e.entries[key]
	if en == nil {
		return
	}
	for _, r := range en.readers {
		if !r.by.dirty {
			r.by.dirty = true
			r.by.dirtied()
		}
	}
}

// question is what a resource asked about the proxy. values is nil where the
// raw value was asked for.
type question struct {
	fact   mesh.Fact
	raw    bool
	values []string
}

// equal reports whether both are the same question.
func (q question) equal(o question) bool {
	return q.fact == o.fact && q.raw == o.raw && slices.Equal(q.values, o.values)
}

// answer is what a proxy with these facts says.
func (q question) answer(f mesh.Facts) string {
	v := f.Fact(q.fact)
	if q.raw {
		return v
	}
	if _, among := slices.BinarySearch(q.values, v); among {
		return v
	}
	return ""
}

type asked struct {
	question
	got string
}

// recorder is the Reader of one computation.
type recorder struct {
	engine *Engine
	by     *computation
	serial uint64
	// rank is below which derived kinds may be read.
	rank  int
	facts mesh.Facts
	asked []asked
	// drop, in tests, makes the recorder forget a read.
	drop func(mesh.Key) bool
}

func (e *Engine) record(by *computation, rank int, facts mesh.Facts) *recorder {
	e.serial++
	return &recorder{engine: e, by: by, serial: e.serial, rank: rank, facts: facts, drop: e.dropRead}
}

// Get implements mesh.Reader.
func (r *recorder) Get(k mesh.Key) mesh.Value {
	r.read(k)
	if rank, derived := r.engine.ranks[k.Kind]; derived {
		if rank >= r.rank {
			panic(fmt.Sprintf("%s is derived later than what reads it", k))
		}
		return r.engine.derivedValue(k, rank)
	}
	return r.engine.store.Get(k)
}

// List implements mesh.Reader.
func (r *recorder) List(b mesh.Key) []mesh.Key {
	r.read(b)
	return r.engine.store.List(b)
}

func (r *recorder) read(k mesh.Key) {
	if r.drop != nil && r.drop(k) {
		return
	}
	r.engine.reads(r.by, k, r.serial)
}

// Among implements mesh.Reader.
func (r *recorder) Among(f mesh.Fact, values []string) string {
	if len(values) == 0 {
		return ""
	}
	if !slices.IsSorted(values) {
		panic(fmt.Sprintf("values of a question about %s are not sorted: %q", f.Kind, values))
	}
	return r.ask(question{fact: f, values: values})
}

// Value implements mesh.Reader.
func (r *recorder) Value(f mesh.Fact) string {
	return r.ask(question{fact: f, raw: true})
}

func (r *recorder) ask(q question) string {
	for _, a := range r.asked {
		if a.equal(q) {
			return a.got
		}
	}
	// The caller may reuse its slice; the tree keeps ours.
	q.values = slices.Clone(q.values)
	got := q.answer(r.facts)
	r.asked = append(r.asked, asked{q, got})
	return got
}
