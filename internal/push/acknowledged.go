package push

import (
	"context"
	"errors"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// errStopped is what waits for an engine that has ended gets.
var errStopped = errors.New("wait for proxies: the engine has stopped")

// barrier waits until the proxies of one moment hold what was true then.
type barrier struct {
	kind *kind
	when func(mesh.Lookup) bool
	done chan struct{}
	// held: the moment has come. pending are the streams with something under way
	// at it, and the last response that they must answer; toCompose until there
	// is one.
	held    bool
	pending map[*stream]int
}

const toCompose = -1

// Acknowledged returns nil once when holds for the stored values and, after
// that, every proxy connected then has answered what it was sent of a type, or
// has gone. It returns an error if ctx ends first. when is called by the
// engine's goroutine, after each turn until it holds.
func (e *Engine) Acknowledged(ctx context.Context, t resource.TypeURL, when func(mesh.Lookup) bool) error {
	b := &barrier{kind: e.byURL[t], when: when, done: make(chan struct{})}
	e.post(func() { e.barriers = append(e.barriers, b) })
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		e.post(func() { e.removeBarrier(b) })
		return ctx.Err()
	case <-e.stopped:
		return errStopped
	}
}

func (e *Engine) removeBarrier(b *barrier) {
	for i, o := range e.barriers {
		if o == b {
			e.barriers = append(e.barriers[:i], e.barriers[i+1:]...)
			return
		}
	}
}

// passBarriers lets go of those whose proxies have all answered.
func (e *Engine) passBarriers() {
	left := e.barriers[:0]
	for _, b := range e.barriers {
		if b.passed(e) {
			close(b.done)
		} else {
			left = append(left, b)
		}
	}
	clear(e.barriers[len(left):])
	e.barriers = left
}

func (b *barrier) passed(e *Engine) bool {
	if !b.held {
		if b.held = b.when(e.store); !b.held {
			return false
		}
		b.pending = map[*stream]int{}
		for _, s := range e.streams {
			b.pending[s] = toCompose
		}
	}
	for s, last := range b.pending {
		if s.closed || b.answered(s, last) {
			delete(b.pending, s)
		}
	}
	return len(b.pending) == 0
}

// answered reports whether a stream has nothing of that moment under way, and
// notes what it waits for.
func (b *barrier) answered(s *stream, last int) bool {
	sub := &s.subs[b.kind.rank]
	if last == toCompose {
		if len(sub.dirty) > 0 || !sub.fresh.empty() {
			return false
		}
		last = s.seq
		b.pending[s] = last
	}
	for _, o := range s.outstanding {
		if o.kind == b.kind && o.seq <= last {
			return false
		}
	}
	return true
}
