package push

import (
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
)

// caught is what a mutant's story ends with once a check fails.
type caught struct{}

// TestAForgottenReadIsCaught lets the engine lose all reads of one kind of key.
// If the property test did not notice, it would not notice a reader that forgets
// to record.
func TestAForgottenReadIsCaught(t *testing.T) {
	for _, kind := range []mesh.Kind{
		mesh.KindService, mesh.KindDestinationRule, mesh.KindVirtualService, mesh.KindEndpointSlice, mesh.KindWorkload, mesh.KindNode,
		toyRulesOfHost, toyRoutesOfHost, toySlicesOf, toyHasPort, toyHealth,
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, toy)
			w.mutant = true
			w.forget = func(k mesh.Key) bool { return k.Kind == kind }
			w.engine.dropRead = w.forget
			if !w.isCaught(3 * *propertySteps) {
				t.Errorf("%d steps did not notice that reads of %s are forgotten", 3**propertySteps, kind)
			}
		})
	}
}

// isCaught runs a story until something fails: a check, or the engine's own
// that every build asks what the tree holds.
func (w *world) isCaught(steps int) (found bool) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case caught, string:
			found = true
		default:
			panic(p)
		}
	}()
	w.run(1, steps)
	return false
}
