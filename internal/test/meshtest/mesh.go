package meshtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/view"
)

// Domain is the DNS suffix of the cluster that objects are read for.
const Domain = "cluster.local"

// Mesh is a store with its derived values. It implements mesh.Lookup.
type Mesh struct {
	store       *mesh.Store
	derivations map[mesh.Kind]mesh.Derivation
	// Keys are the stored keys, sorted; Problems what ingest found.
	Keys     []mesh.Key
	Problems []mesh.Problem
}

// New holds these values.
func New(changes ...mesh.Change) *Mesh {
	m := &Mesh{store: mesh.NewStore(view.Indexes()), derivations: map[mesh.Kind]mesh.Derivation{}}
	for _, d := range view.Derivations() {
		m.derivations[d.Kind] = d
	}
	for _, c := range changes {
		m.store.Put(c.Key, c.Value)
		if c.Value != nil {
			m.Keys = append(m.Keys, c.Key)
		}
	}
	slices.SortFunc(m.Keys, mesh.Key.Compare)
	m.Keys = slices.Compact(m.Keys)
	return m
}

// Read holds what these objects mean. An object that the mesh does not know
// ends the test.
func Read(t testing.TB, documents [][]byte) *Mesh {
	t.Helper()
	var changes []mesh.Change
	var problems []mesh.Problem
	for _, doc := range documents {
		object, err := ingest.Decode(doc)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		result, ok := ingest.Object(Domain, object)
		if !ok {
			t.Fatalf("the mesh does not know this object:\n%s", doc)
		}
		changes = append(changes, mesh.Change{Key: result.Key, Value: result.Value})
		problems = append(problems, result.Problems...)
	}
	m := New(changes...)
	m.Problems = problems
	return m
}

// ReadText is Read for a YAML stream.
func ReadText(t testing.TB, stream string) *Mesh {
	t.Helper()
	return Read(t, golden.Documents([]byte(stream)))
}

// Get implements mesh.Lookup.
func (m *Mesh) Get(k mesh.Key) mesh.Value {
	if d, ok := m.derivations[k.Kind]; ok {
		return d.Compute(m, k)
	}
	return m.store.Get(k)
}

// List implements mesh.Lookup.
func (m *Mesh) List(bucket mesh.Key) []mesh.Key { return m.store.List(bucket) }

// DerivedProblems are those that the objects have in the light of each other,
// in the order of their keys.
func (m *Mesh) DerivedProblems() []mesh.Problem {
	var out []mesh.Problem
	for _, k := range m.Keys {
		if p, ok := m.Get(mesh.ProblemsKey(k)).(*mesh.Problems); ok {
			out = append(out, p.List...)
		}
	}
	return out
}

// Reader is what a resource function sees for one proxy.
type Reader struct {
	*Mesh
	facts mesh.Facts
	// Asked counts the different questions.
	Asked map[string]int
}

// For is the reader of a proxy.
func (m *Mesh) For(p mesh.Proxy) *Reader {
	return &Reader{Mesh: m, facts: view.FactsOf(m, p), Asked: map[string]int{}}
}

// Among implements mesh.Reader.
func (r *Reader) Among(f mesh.Fact, values []string) string {
	if !slices.IsSorted(values) {
		panic(fmt.Sprintf("values of a question about %v are not sorted: %q", f, values))
	}
	r.Asked[fmt.Sprint(f, values)]++
	got := r.facts.Fact(f)
	if _, ok := slices.BinarySearch(values, got); ok {
		return got
	}
	return ""
}

// Value implements mesh.Reader.
func (r *Reader) Value(f mesh.Fact) string {
	r.Asked[fmt.Sprint(f)]++
	return r.facts.Fact(f)
}

// Changes would make this mesh of an empty one.
func (m *Mesh) Changes() []mesh.Change {
	out := make([]mesh.Change, 0, len(m.Keys))
	for _, k := range m.Keys {
		out = append(out, mesh.Change{Key: k, Value: m.store.Get(k)})
	}
	return out
}
