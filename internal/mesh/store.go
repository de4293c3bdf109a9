package mesh

import (
	"fmt"
	"slices"
)

// Change is one event of a source: the value of Key is now Value, nil if the
// key is gone.
type Change struct {
	Key   Key
	Value Value
}

// Delta is what changed since it was last taken, each list sorted and without
// repetition. Keys are stored keys whose value is another one, Buckets those
// whose membership is another one.
type Delta struct {
	Keys    []Key
	Buckets []Key
}

// Empty reports whether nothing changed.
func (d Delta) Empty() bool { return len(d.Keys) == 0 && len(d.Buckets) == 0 }

// Store holds the mesh values of this moment and the buckets that its indexes
// put them in. It is not safe for concurrent use: the engine owns it and is its
// one writer.
type Store struct {
	// Set by NewStore and read-only afterwards.
	indexes map[Kind][]Index

	values  map[Key]Value
	buckets map[Key]*bucket

	// The changes that TakeDelta gives next.
	keys    map[Key]struct{}
	touched map[Key]struct{}
}

// bucket is a sorted list of members. Once it was handed out it is not written
// any more: readers may keep it.
type bucket struct {
	members []Key
	shared  bool
}

// NewStore returns an empty store that keeps these indexes. All bucket kinds
// must differ from all stored kinds.
func NewStore(indexes []Index) *Store {
	s := &Store{
		indexes: map[Kind][]Index{},
		values:  map[Key]Value{},
		buckets: map[Key]*bucket{},
		keys:    map[Key]struct{}{},
		touched: map[Key]struct{}{},
	}
	for _, i := range indexes {
		s.indexes[i.Of] = append(s.indexes[i.Of], i)
	}
	return s
}

// Get returns the value of a stored key, nil if there is none.
func (s *Store) Get(k Key) Value { return s.values[k] }

// List returns the members of a bucket in Key order. The slice is not the
// caller's to change; it stays as it is when the bucket changes.
func (s *Store) List(b Key) []Key {
	found := s.buckets[b]
	if found == nil {
		return nil
	}
	found.shared = true
	return found.members
}

// Len is the number of stored values.
func (s *Store) Len() int { return len(s.values) }

// Put stores the value of a key; nil deletes it. A value that is equal to the
// stored one changes nothing.
func (s *Store) Put(k Key, v Value) {
	old := s.values[k]
	if (old == nil && v == nil) || (old != nil && v != nil && old.Equal(v)) {
		return
	}
	before, after := s.bucketsOf(k, old), s.bucketsOf(k, v)
	if v == nil {
		delete(s.values, k)
	} else {
		s.values[k] = v
	}
	s.keys[k] = struct{}{}
	for _, b := range before {
		if _, stays := slices.BinarySearchFunc(after, b, Key.Compare); !stays {
			s.leave(b, k)
		}
	}
	for _, b := range after {
		if _, was := slices.BinarySearchFunc(before, b, Key.Compare); !was {
			s.join(b, k)
		}
	}
}

// TakeDelta returns what changed since the last call. A key that was changed
// and changed back may be in it.
func (s *Store) TakeDelta() Delta {
	d := Delta{Keys: sortedKeys(s.keys), Buckets: sortedKeys(s.touched)}
	clear(s.keys)
	clear(s.touched)
	return d
}

// bucketsOf is where a value belongs, sorted and without repetition.
func (s *Store) bucketsOf(k Key, v Value) []Key {
	if v == nil {
		return nil
	}
	var out []Key
	for _, i := range s.indexes[k.Kind] {
		out = append(out, i.Buckets(k, v)...)
	}
	slices.SortFunc(out, Key.Compare)
	return slices.Compact(out)
}

func (s *Store) join(b, member Key) {
	if s.indexes[b.Kind] != nil {
		panic(fmt.Sprintf("bucket %s has the kind of a stored value", b))
	}
	found := s.buckets[b]
	if found == nil {
		found = &bucket{}
		s.buckets[b] = found
	}
	at, _ := slices.BinarySearchFunc(found.members, member, Key.Compare)
	found.own()
	found.members = slices.Insert(found.members, at, member)
	s.touched[b] = struct{}{}
}

func (s *Store) leave(b, member Key) {
	found := s.buckets[b]
	at, _ := slices.BinarySearchFunc(found.members, member, Key.Compare)
	found.own()
	found.members = slices.Delete(found.members, at, at+1)
	if len(found.members) == 0 {
		delete(s.buckets, b)
	}
	s.touched[b] = struct{}{}
}

// own makes the members writable: what was handed out stays as it is.
func (b *bucket) own() {
	if b.shared {
		b.members = slices.Clone(b.members)
		b.shared = false
	}
}

func sortedKeys(set map[Key]struct{}) []Key {
	if len(set) == 0 {
		return nil
	}
	out := make([]Key, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.SortFunc(out, Key.Compare)
	return out
}
