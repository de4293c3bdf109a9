package mesh

import "slices"

// KindScope is the derived kind of what proxies may hold whose FactScope is the
// name of the key.
const KindScope Kind = "Scope"

// Scope is the value of KindScope: the stored keys whose resources are held.
// What no stored key of services and their routes gives rise to is held in any
// scope.
type Scope struct {
	// Keys are sorted.
	Keys []Key
}

// Equal implements Value.
func (s *Scope) Equal(o Value) bool {
	p, ok := o.(*Scope)
	return ok && slices.Equal(s.Keys, p.Keys)
}

// Has reports whether the resources of a stored key are held.
func (s *Scope) Has(k Key) bool {
	_, found := slices.BinarySearchFunc(s.Keys, k, Key.Compare)
	return found
}
