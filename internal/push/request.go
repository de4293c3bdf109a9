package push

import (
	"maps"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// everything is the name that stands for all names of a type.
const everything = "*"

// request takes up what a client says: an answer to a response, names that it
// wants, names that it lets go.
func (e *Engine) request(s *stream, req *cache.Request) {
	k := e.byURL[req.Type]
	if k == nil || s.closed {
		return
	}
	sub := &s.subs[k.rank]
	if req.Nonce != "" {
		e.answered(s, k, req)
	}
	if len(req.Versions) > 0 {
		s.resumed = true
	}
	if sub.class == nil {
		e.join(s, k)
		if k.Wildcard && len(req.Subscribe) == 0 {
			e.subscribeAll(s, k, req)
		}
		if k.within != nil {
			sub.stash = maps.Clone(req.Versions)
			e.openInner(s, k, func(outer string) bool { return s.asks(k.within, outer) })
		}
	}
	for _, name := range req.Subscribe {
		if name == everything {
			e.subscribeAll(s, k, req)
		} else {
			e.subscribe(s, k, name, req)
		}
	}
	if len(req.Subscribe) > 0 {
		for _, inner := range k.inner {
			if s.subs[inner.rank].class != nil {
				e.openInner(s, inner, func(outer string) bool { return slices.Contains(req.Subscribe, outer) })
			}
		}
	}
	for _, name := range req.Unsubscribe {
		e.unsubscribe(s, k, name)
	}
	e.queue(s)
}

// subscribeAll marks all that differs from what the client says it holds.
func (e *Engine) subscribeAll(s *stream, k *kind, req *cache.Request) {
	sub := &s.subs[k.rank]
	if !k.Wildcard || sub.wildcard {
		return
	}
	sub.wildcard = true
	// A client that holds nothing waits for the first answer, even an empty one.
	sub.answer = len(req.Versions) == 0
	for _, cl := range k.slots {
		if cl == nil {
			continue
		}
		held := req.Versions[cl.name]
		if e.offers(s, k, cl) != held {
			sub.want(cl.name, want{held: held})
		}
	}
	for name, held := range req.Versions {
		if k.cells[name] == nil {
			sub.want(name, want{held: held})
		}
	}
}

// subscribe takes up one name. A client that asks waits for an answer, also if
// it asked before: it may have let go of what it held.
func (e *Engine) subscribe(s *stream, k *kind, name string, req *cache.Request) {
	sub := &s.subs[k.rank]
	name = e.learn(s, k, name)
	delete(sub.rejected, name)
	delete(sub.waiting, name)
	held, holds := req.Versions[name]
	if cl := k.cells[name]; cl != nil {
		sub.asked.add(cl.slot)
		e.ensure(sub.class, cl)
		name = cl.name // The client's string is not kept.
	} else {
		sub.wait(name)
	}
	_, owed := sub.owed[name]
	sub.want(name, want{held: held, must: !holds || owed})
}

// openInner marks the names within outer names that were asked for just now:
// the client waits for them and does not ask.
func (e *Engine) openInner(s *stream, k *kind, opened func(outer string) bool) {
	sub := &s.subs[k.rank]
	// What is built for the first time may name something new.
	e.unsettle(s.scope)
	for _, cl := range k.slots {
		if cl == nil || !opened(cl.outer) {
			continue
		}
		held := sub.stash[cl.name]
		delete(sub.stash, cl.name)
		if e.offers(s, k, cl) != held {
			sub.want(cl.name, want{held: held})
		}
	}
	for name, held := range sub.stash {
		if outer, _, _ := strings.Cut(name, "/"); opened(outer) {
			sub.want(name, want{held: held})
			delete(sub.stash, name)
		}
	}
}

// offers is the version of a name that the stream is to hold, "" for none.
func (e *Engine) offers(s *stream, k *kind, cl *cell) string {
	if !s.scope.admits(k, cl) {
		return ""
	}
	return e.ensure(s.subs[k.rank].class, cl).version()
}

// unsubscribe forgets a name: the client has let go of it.
func (e *Engine) unsubscribe(s *stream, k *kind, name string) {
	sub := &s.subs[k.rank]
	if name == everything {
		sub.wildcard = false
		return
	}
	if k.Asked != nil {
		if stands, ok := k.Asked(name); ok {
			delete(s.called, stands)
			delete(sub.unknown, name)
			name = stands
		}
	}
	if cl := k.cells[name]; cl != nil {
		sub.asked.remove(cl.slot)
	}
	delete(sub.unknown, name)
	delete(sub.owed, name)
	if !sub.wildcard {
		sub.forget(name)
	}
	for _, inner := range k.inner {
		in := &s.subs[inner.rank]
		in.forgetAll(func(n string) bool {
			outer, _, _ := strings.Cut(n, "/")
			return outer == name && !s.asks(inner, n)
		})
	}
}

func (sub *subscription) forget(name string) {
	delete(sub.dirty, name)
	delete(sub.waiting, name)
	delete(sub.rejected, name)
	for i, group := range sub.retry {
		sub.retry[i] = slices.DeleteFunc(group, func(it item) bool { return it.name == name })
	}
}

func (sub *subscription) forgetAll(let func(string) bool) {
	var names []string
	for n := range sub.dirty {
		names = append(names, n)
	}
	for n := range sub.waiting {
		names = append(names, n)
	}
	for n := range sub.rejected {
		names = append(names, n)
	}
	for _, group := range sub.retry {
		for _, it := range group {
			names = append(names, it.name)
		}
	}
	for _, n := range names {
		if let(n) {
			sub.forget(n)
		}
	}
}
