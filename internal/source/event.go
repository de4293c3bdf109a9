package source

import (
	"github.com/meshwright/meshwright/internal/mesh"
)

// Event is what became of one object.
type Event struct {
	Key mesh.Key
	// Value is nil if the object is gone, refused, or without effect.
	Value mesh.Value
	// Gone: the object does not exist any more. The fields below are then zero.
	Gone bool
	// Generation is metadata.generation, 0 for kinds that have none.
	Generation int64
	// Problems are those that the object has of itself.
	Problems []mesh.Problem
	// Conditions are those in the object's status; set for Istio's kinds only.
	Conditions []mesh.Condition
}

// Sink takes what the source found. Apply is called by one goroutine; the
// source waits for it, and joins what happens meanwhile into the next batch.
// Each key is in a batch once.
type Sink interface {
	Apply(events []Event)
}

// SinkFunc is a function that is a Sink.
type SinkFunc func(events []Event)

// Apply implements Sink.
func (f SinkFunc) Apply(events []Event) { f(events) }
