package mesh

import "time"

// Value is one immutable value of the mesh.
type Value interface {
	// Equal reports whether o means the same. It is asked before anything is
	// marked as changed, so it must be exact: a false "equal" loses a change,
	// a false "unequal" costs a rebuild.
	Equal(o Value) bool
}

// Meta is what every value that comes from a user's object carries.
type Meta struct {
	Namespace string
	Name      string
	// Generation is metadata.generation of the object that was read.
	Generation int64
	// Created orders objects that claim the same thing: the oldest wins, then
	// the one whose namespace and name sort first (Istio's rule).
	Created time.Time
}

// Before reports whether m wins over o where both claim the same thing.
func (m Meta) Before(o Meta) bool {
	if !m.Created.Equal(o.Created) {
		return m.Created.Before(o.Created)
	}
	if m.Namespace != o.Namespace {
		return m.Namespace < o.Namespace
	}
	return m.Name < o.Name
}
