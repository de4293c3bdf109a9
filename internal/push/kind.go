package push

import (
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// kind is all that the engine holds of one resource type.
type kind struct {
	resource.Type
	// rank is the place in the order of pushes.
	rank int
	// within is the type whose names come before the first "/", or nil.
	within *kind
	inner  []*kind

	cells map[string]*cell
	// slots are the cells by number; lists and sets are indexed by it.
	slots []*cell
	free  []int

	spawned map[mesh.Key]*spawned

	// mentions are the fact values that the trees ask about. They only grow:
	// a class that is finer than it must be costs little.
	mentions []*mention
	// stale: mentions grew, so the signatures of classes must be made anew.
	stale   bool
	classes map[string]*class
	// idle are classes without streams, the oldest first.
	idle    []*class
	classNo int
}

// cell is one resource name with the tree of its questions.
type cell struct {
	kind *kind
	name string
	slot int
	// outer is the name in kind.within that this one belongs to.
	outer string
	root  *node
	// spawners counts the values that give rise to the name.
	spawners int
	static   bool
	// scoped: a stream with a scope holds it only if the scope does.
	scoped bool
	// queued: it appeared or vanished in this turn.
	queued bool
}

// spawned is what one stored key gives rise to in one type.
type spawned struct {
	computation
	kind  *kind
	key   mesh.Key
	names []string
}

// mention is one fact that the trees of a type ask about.
type mention struct {
	fact   mesh.Fact
	raw    bool
	values map[string]struct{}
}

func newKind(t resource.Type, rank int) *kind {
	return &kind{Type: t, rank: rank, cells: map[string]*cell{}, spawned: map[mesh.Key]*spawned{}, classes: map[string]*class{}}
}

// cell returns the cell of a name; it makes one if there is none.
func (k *kind) cell(name string) *cell {
	if c := k.cells[name]; c != nil {
		return c
	}
	c := &cell{kind: k, name: name, slot: len(k.slots)}
	if n := len(k.free); n > 0 {
		c.slot, k.free = k.free[n-1], k.free[:n-1]
		k.slots[c.slot] = c
	} else {
		k.slots = append(k.slots, c)
	}
	c.scoped = k.Scoped != nil && k.Scoped(name)
	if k.within != nil {
		c.outer, _, _ = strings.Cut(name, "/")
	}
	k.cells[name] = c
	return c
}

// remove forgets a cell that no list holds any more.
func (k *kind) remove(c *cell) {
	delete(k.cells, c.name)
	k.slots[c.slot] = nil
	k.free = append(k.free, c.slot)
}

// mention notes what a build asked about.
func (k *kind) mention(path []asked) {
	for _, a := range path {
		at, ok := slices.BinarySearchFunc(k.mentions, a.fact, func(m *mention, f mesh.Fact) int { return compareFacts(m.fact, f) })
		if !ok {
			k.mentions = slices.Insert(k.mentions, at, &mention{fact: a.fact, values: map[string]struct{}{}})
			k.stale = true
		}
		m := k.mentions[at]
		if a.raw && !m.raw {
			m.raw, k.stale = true, true
		}
		for _, v := range a.values {
			if _, known := m.values[v]; !known {
				m.values[v] = struct{}{}
				k.stale = true
			}
		}
	}
}

func compareFacts(a, b mesh.Fact) int {
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.Arg, b.Arg)
}

// sign is what the trees of this type can tell of a proxy.
func (k *kind) sign(f mesh.Facts) string {
	var b strings.Builder
	for _, m := range k.mentions {
		v := f.Fact(m.fact)
		if _, known := m.values[v]; m.raw || known {
			b.WriteString(v)
		}
		b.WriteByte(0)
	}
	return b.String()
}
