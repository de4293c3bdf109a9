package push

import (
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
	h := e.holdings(k, req.Versions)
	defer h.release()
	if sub.class == nil {
		e.join(s, k)
		if k.Wildcard && len(req.Subscribe) == 0 {
			e.subscribeAll(s, k, h)
		}
		if k.within != nil {
			e.openFirst(s, k, h)
		}
	}
	for _, name := range req.Subscribe {
		if name == everything {
			e.subscribeAll(s, k, h)
		} else {
			e.subscribe(s, k, name, h)
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
func (e *Engine) subscribeAll(s *stream, k *kind, h holdings) {
	sub := &s.subs[k.rank]
	if !k.Wildcard || sub.wildcard {
		return
	}
	sub.wildcard = true
	// A client that holds nothing waits for the first answer, even an empty one.
	sub.answer = h.empty
	for _, cl := range k.slots {
		if cl != nil {
			e.compare(s, k, cl, h.of(cl))
		}
	}
	for name, held := range h.gone {
		sub.want(strings.Clone(name), want{held: strings.Clone(held)})
	}
}

// compare marks a name if the client holds another version of it.
func (e *Engine) compare(s *stream, k *kind, cl *cell, held string) {
	sub := &s.subs[k.rank]
	if e.offers(s, k, cl) == held {
		return
	}
	sub.settle(cl)
	if held == "" && len(sub.waiting)+len(sub.rejected) == 0 {
		sub.fresh.add(cl.slot)
	} else {
		sub.want(cl.name, want{held: strings.Clone(held)})
	}
}

// subscribe takes up one name. A client that asks waits for an answer, also if
// it asked before: it may have let go of what it held.
func (e *Engine) subscribe(s *stream, k *kind, name string, h holdings) {
	sub := &s.subs[k.rank]
	delete(sub.rejected, name)
	delete(sub.waiting, name)
	cl := k.cells[name]
	if cl == nil {
		name = strings.Clone(name)
		sub.wait(name)
		held, holds := h.gone[name]
		sub.want(name, want{held: strings.Clone(held), must: !holds})
		return
	}
	sub.asked.add(cl.slot)
	e.ensure(sub.class, cl)
	now, held := e.offers(s, k, cl), h.of(cl)
	_, owed := sub.owed[name]
	sub.settle(cl)
	switch {
	case owed:
		sub.want(cl.name, want{held: strings.Clone(held), must: true})
	case held == "":
		sub.fresh.add(cl.slot)
	case now != held:
		sub.want(cl.name, want{held: strings.Clone(held)})
	}
}

// openFirst opens what is within the outer names that were asked for before, and
// remembers what the client holds within others.
func (e *Engine) openFirst(s *stream, k *kind, h holdings) {
	sub := &s.subs[k.rank]
	for _, cl := range k.slots {
		if cl == nil {
			continue
		}
		if held := h.of(cl); s.asks(k.within, cl.outer) {
			e.compare(s, k, cl, held)
		} else if held != "" {
			sub.keep(cl.name, held)
		}
	}
	for name, held := range h.gone {
		if outer, _, _ := strings.Cut(name, "/"); s.asks(k.within, outer) {
			sub.want(strings.Clone(name), want{held: strings.Clone(held)})
		} else {
			sub.keep(strings.Clone(name), held)
		}
	}
}

// keep notes what the client holds within an outer name that it may ask for.
func (sub *subscription) keep(name, held string) {
	if sub.stash == nil {
		sub.stash = map[string]string{}
	}
	sub.stash[name] = strings.Clone(held)
}

// openInner marks the names within outer names that were asked for just now:
// the client waits for them and does not ask.
func (e *Engine) openInner(s *stream, k *kind, opened func(outer string) bool) {
	sub := &s.subs[k.rank]
	for _, cl := range k.slots {
		if cl == nil || !opened(cl.outer) {
			continue
		}
		held := sub.stash[cl.name]
		delete(sub.stash, cl.name)
		e.compare(s, k, cl, held)
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
	if s.scope != nil && !s.admits(k, e.target(cl)) {
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
	if cl := k.cells[name]; cl != nil {
		sub.asked.remove(cl.slot)
		if !sub.wildcard {
			sub.fresh.remove(cl.slot)
		}
	}
	delete(sub.unknown, name)
	delete(sub.owed, name)
	if !sub.wildcard {
		sub.forget(name)
	}
	for _, inner := range k.inner {
		in := &s.subs[inner.rank]
		for slot := range in.fresh.all() {
			if cl := inner.slots[slot]; cl.outer == name && !in.asked.has(slot) {
				in.fresh.remove(slot)
			}
		}
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
