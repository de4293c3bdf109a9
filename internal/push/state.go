package push

import (
	"context"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// Proxies returns the sync state of all connected proxies by id. It is nil if
// ctx ends first or the engine stopped.
func (e *Engine) Proxies(ctx context.Context) []cache.ProxyState {
	done := make(chan []cache.ProxyState, 1)
	e.post(func() { done <- e.states() })
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	case <-e.stopped:
	}
	return nil
}

func (e *Engine) states() []cache.ProxyState {
	out := make([]cache.ProxyState, 0, len(e.streams))
	sizes := map[sized]int{}
	for _, s := range e.streams {
		out = append(out, s.state(sizes))
	}
	slices.SortFunc(out, func(a, b cache.ProxyState) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (s *stream) state(sizes map[sized]int) cache.ProxyState {
	p := cache.ProxyState{
		ID: s.proxy.ID, Type: s.proxy.Type, Namespace: s.proxy.Namespace, Pod: s.proxy.Pod,
		ServiceAccount: s.proxy.ServiceAccount, Connected: s.connected, InSync: !s.writing,
		AckTimes: slices.Clone(s.ackTimes),
	}
	for _, k := range s.engine.kinds {
		sub := &s.subs[k.rank]
		if sub.class == nil {
			continue
		}
		t := cache.TypeState{
			Type: string(k.URL), Class: sub.class.id, Sent: sub.sentNonce, Acked: sub.ackedNonce,
			Pending: len(sub.dirty) + sub.fresh.count(), Nacks: sub.nacks, Resources: sub.asked.count(),
		}
		if sub.wildcard || k.within != nil {
			t.Resources = sub.class.size(sizes, s)
		}
		for _, o := range s.outstanding {
			if o.kind == k {
				// They are in the order in which they were sent.
				if t.Unacked == 0 {
					t.UnackedSince = o.at
				}
				t.Unacked++
			}
		}
		for name, r := range sub.rejected {
			t.Rejected = append(t.Rejected, cache.Rejection{Name: name, Version: r.version, Error: r.err})
		}
		slices.SortFunc(t.Rejected, func(a, b cache.Rejection) int { return strings.Compare(a.Name, b.Name) })
		if t.Pending > 0 || t.Unacked > 0 || len(t.Rejected) > 0 || len(sub.retry) > 0 {
			p.InSync = false
		}
		p.Types = append(p.Types, t)
	}
	return p
}

// sized is a class as those of its streams see it that have a scope.
type sized struct {
	class *class
	scope *scope
}

// size is how many resources a stream of the class has, counted once per
// snapshot.
func (c *class) size(known map[sized]int, s *stream) int {
	at := sized{c, s.scope}
	n, ok := known[at]
	if !ok {
		for _, l := range c.leaves {
			if l.version() != "" && s.admits(c.kind, target{slot: l.cell.slot, scoped: l.cell.scoped}) {
				n++
			}
		}
		known[at] = n
	}
	return n
}
