package source

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/meshwright/meshwright/internal/mesh"
)

// queue joins the events of all feeds. Nothing comes out of it before every
// feed that it waits for has had its first list.
type queue struct {
	wake   chan struct{}
	synced chan struct{}

	mu      sync.Mutex
	order   []mesh.Key
	pending map[mesh.Key]Event
	// waiting are the feeds whose first list is not in; nil once all were in.
	waiting map[string]bool
}

func newQueue(waitFor ...string) *queue {
	q := &queue{
		wake:    make(chan struct{}, 1),
		synced:  make(chan struct{}),
		pending: map[mesh.Key]Event{},
		waiting: map[string]bool{},
	}
	for _, name := range waitFor {
		q.waiting[name] = true
	}
	return q
}

func (q *queue) add(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.pending[e.Key]; !ok {
		q.order = append(q.order, e.Key)
	}
	q.pending[e.Key] = e
	q.signal()
}

// wait adds a feed to those that the first batch needs. It has no effect after
// the first batch.
func (q *queue) wait(feed string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting != nil {
		q.waiting[feed] = true
	}
}

// listed says that a feed's first list was added, or that it will have none.
func (q *queue) listed(feed string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, feed)
	q.signal()
}

// missing are the feeds that the first batch waits for, sorted.
func (q *queue) missing() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.waiting))
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns what is pending; first is true for the batch that completes the
// initial lists, which may be empty.
func (q *queue) take() (batch []Event, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return nil, false
	}
	first = q.waiting != nil
	q.waiting = nil
	for _, key := range q.order {
		batch = append(batch, q.pending[key])
	}
	q.order = nil
	clear(q.pending)
	return batch, first
}

// run hands batches to the sink until ctx ends.
func (q *queue) run(ctx context.Context, sink Sink) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		batch, first := q.take()
		if len(batch) > 0 {
			sink.Apply(batch)
		}
		if first {
			close(q.synced)
		}
	}
}
