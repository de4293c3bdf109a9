package push

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// composer makes the push of one stream.
type composer struct {
	engine *Engine
	stream *stream
	push   cache.Push
	// follow are assignments to be sent because their cluster was.
	follow map[string]struct{}
}

// flush hands a push to every queued stream that is not writing.
func (e *Engine) flush() {
	queued := e.queued
	e.queued = nil
	busy := 0
	for _, s := range queued {
		s.queued = false
		if s.closed {
			continue
		}
		if s.writing {
			busy++
			continue
		}
		if p := e.compose(s); len(p.Responses) > 0 {
			s.writing, s.writingSince = true, s.since
			s.pushes <- p
		}
		s.since = time.Time{}
	}
	e.metrics.queue.Set(float64(busy))
}

// compose takes what is dirty of all types at the present state of the mesh:
// what is named before what names it, removals last.
func (e *Engine) compose(s *stream) *cache.Push {
	c := &composer{engine: e, stream: s}
	for _, k := range e.kinds {
		if s.subs[k.rank].class == nil {
			c.owe(k)
			continue
		}
		c.main(k)
		c.retries(k)
	}
	c.removals()
	return &c.push
}

// response collects one response of a type.
type response struct {
	kind      *kind
	resources []*cache.Resource
	// fresh counts the resources, the first ones, of which the client held nothing.
	fresh   int
	removed []string
	items   []item
}

func (r *response) send(l *leaf, held string) {
	r.resources = append(r.resources, l.res)
	r.items = append(r.items, item{name: l.res.Name, version: l.res.Version, held: held})
}

func (r *response) remove(name, held string) {
	r.removed = append(r.removed, name)
	r.items = append(r.items, item{name: name, held: held})
}

// main is the response with everything of a type that is dirty.
func (c *composer) main(k *kind) {
	sub := &c.stream.subs[k.rank]
	c.reconsider(k)
	r := &response{kind: k}
	names := c.names(k)
	c.fresh(r)
	for _, name := range names {
		w, dirty := sub.dirty[name]
		if !dirty {
			w = want{held: c.leaf(k, name).version(), must: true}
		}
		c.decide(r, name, w)
	}
	sub.dirty = nil
	if len(r.items) > 0 || len(r.resources) > 0 || sub.answer {
		sub.answer = false
		c.emit(r)
	}
}

// fresh takes what the client holds nothing of.
func (c *composer) fresh(r *response) {
	k, sub := r.kind, &c.stream.subs[r.kind.rank]
	if sub.fresh.empty() {
		return
	}
	r.resources = make([]*cache.Resource, 0, sub.fresh.count())
	var missing []string
	for slot := range sub.fresh.all() {
		cl := k.slots[slot]
		if l := c.leafOf(k, cl); l.version() != "" {
			r.resources = append(r.resources, l.res)
			delete(sub.owed, cl.name)
			c.following(k, l)
		} else if sub.asked.has(slot) {
			missing = append(missing, cl.name)
		}
	}
	r.fresh = len(r.resources)
	sub.fresh = nil
	for _, name := range missing {
		c.decide(r, name, want{must: true})
	}
}

// reconsider tries all that was rejected again once one of it changes: one may
// have been refused for what another had, as a domain.
func (c *composer) reconsider(k *kind) {
	sub := &c.stream.subs[k.rank]
	for name := range sub.dirty {
		if r, ok := sub.rejected[name]; ok && r.version != c.leaf(k, name).version() {
			for other, r := range sub.rejected {
				if _, dirty := sub.dirty[other]; !dirty {
					sub.want(other, want{held: r.held})
				}
			}
			sub.rejected = nil
			return
		}
	}
}

// names are those to decide on, in order.
func (c *composer) names(k *kind) []string {
	sub := &c.stream.subs[k.rank]
	c.returned(k)
	names := make([]string, 0, len(sub.dirty))
	for n := range sub.dirty {
		names = append(names, n)
	}
	if k.URL == resource.Endpoints {
		for n := range c.follow {
			if cl := k.cells[n]; cl != nil && sub.fresh.has(cl.slot) {
				continue
			}
			if _, dirty := sub.dirty[n]; !dirty && c.stream.asks(k, n) {
				names = append(names, n)
			}
		}
		for n := range c.follow {
			if w, dirty := sub.dirty[n]; dirty {
				w.must = true
				sub.dirty[n] = w
			}
		}
		c.owe(k)
	}
	slices.Sort(names)
	return names
}

// returned takes up inner names that vanished with their outer one, if that came
// back before the client let go of it (a listener that drains keeps its routes):
// what did not come back too must be removed now.
func (c *composer) returned(k *kind) {
	if k.within == nil {
		return
	}
	sub := &c.stream.subs[k.rank]
	for name, w := range sub.waiting {
		if c.outerStands(k, name) {
			delete(sub.waiting, name)
			if _, dirty := sub.dirty[name]; !dirty {
				sub.want(name, want{held: w.held})
			}
		}
	}
}

// owe remembers assignments whose cluster is sent before a client that resumes
// has asked for them: it will say that it holds them, and needs them anew.
func (c *composer) owe(k *kind) {
	if k.URL != resource.Endpoints || !c.stream.resumed {
		return
	}
	sub := &c.stream.subs[k.rank]
	for n := range c.follow {
		if c.stream.asks(k, n) {
			continue
		}
		if sub.owed == nil {
			sub.owed = map[string]struct{}{}
		}
		sub.owed[n] = struct{}{}
	}
}

// decide puts one name into the response, or leaves it:
//  1. bytes that were rejected are not sent again until they change;
//  2. what the client holds already is not sent, unless it must be;
//  3. a name that is gone is removed now, or later, or by the client itself.
func (c *composer) decide(r *response, name string, w want) {
	k, sub := r.kind, &c.stream.subs[r.kind.rank]
	l := c.leaf(k, name)
	now := l.version()
	if old, rejected := sub.rejected[name]; rejected && old.version == now {
		return
	}
	switch {
	case now == w.held && !w.must:
	case now != "":
		delete(sub.owed, name)
		r.send(l, w.held)
		c.following(k, l)
	case w.must && k.within != nil:
		r.resources = append(r.resources, cache.Placeholder(name))
	case w.must:
		delete(sub.waiting, name)
		r.remove(name, w.held)
	default:
		c.vanished(r, name, w.held)
	}
}

// vanished removes a name at once where nothing names it. Clusters wait until
// what named them is replaced; what the client asked for it lets go of itself.
func (c *composer) vanished(r *response, name, held string) {
	k, sub := r.kind, &c.stream.subs[r.kind.rank]
	switch {
	case k.URL == resource.Cluster || k.URL == resource.Endpoints:
		if sub.waiting == nil {
			sub.waiting = map[string]removal{}
		}
		// Fixed to the end of this push by removals.
		sub.waiting[name] = removal{held: held, after: -1}
	case k.Wildcard, k.within != nil && c.outerStands(k, name):
		r.remove(name, held)
	default:
		// Kept as what the client holds, in case the name comes back before
		// the client lets go of it.
		if sub.waiting == nil {
			sub.waiting = map[string]removal{}
		}
		sub.waiting[name] = removal{held: held}
	}
}

// outerStands reports whether the client keeps the outer name of name.
func (c *composer) outerStands(k *kind, name string) bool {
	outer, _, _ := strings.Cut(name, "/")
	return c.leaf(k.within, outer).version() != ""
}

// leaf is what the stream's class has for a name now, nil if that is out of its
// scope.
func (c *composer) leaf(k *kind, name string) *leaf {
	if cl := k.cells[name]; cl != nil {
		return c.leafOf(k, cl)
	}
	return nil
}

func (c *composer) leafOf(k *kind, cl *cell) *leaf {
	class := c.stream.subs[k.rank].class
	if class == nil || c.stream.scope != nil && !c.stream.admits(k, c.engine.target(cl)) {
		return nil
	}
	return class.leaf(cl.slot)
}

// following notes the assignments of a cluster: Envoy warms a changed cluster
// until its assignment is sent again, and does not ask for it.
func (c *composer) following(k *kind, l *leaf) {
	if k.URL != resource.Cluster || !c.follows() {
		return
	}
	for _, ref := range l.refs {
		if ref.Type == resource.Endpoints {
			if c.follow == nil {
				c.follow = map[string]struct{}{}
			}
			c.follow[ref.Name] = struct{}{}
		}
	}
}

// follows reports whether assignments are asked for, or will be by a client that
// says which it holds.
func (c *composer) follows() bool {
	k := c.engine.byURL[resource.Endpoints]
	return k != nil && (c.stream.resumed || c.stream.subs[k.rank].class != nil)
}

// retries are the parts of rejected responses, each by itself, as they are now.
func (c *composer) retries(k *kind) {
	sub := &c.stream.subs[k.rank]
	groups := sub.retry
	sub.retry = nil
	for _, group := range groups {
		r := &response{kind: k}
		for _, it := range group {
			cl := k.cells[it.name]
			if c.inPush(k, it.name) || cl != nil && !c.stream.wants(k, c.engine.target(cl)) {
				continue
			}
			if l := c.leaf(k, it.name); l.version() != "" {
				r.send(l, it.held)
				c.following(k, l)
			} else {
				r.remove(it.name, it.held)
			}
		}
		if len(r.items) > 0 {
			c.emit(r)
			c.stream.outstanding[len(c.stream.outstanding)-1].again = true
		}
	}
}

// inPush reports whether this push names it already.
func (c *composer) inPush(k *kind, name string) bool {
	for _, o := range c.stream.outstanding {
		if o.kind == k && o.seq > c.stream.seq-len(c.push.Responses) && o.names(name) {
			return true
		}
	}
	return false
}

// emit numbers a response and puts it into the push.
func (c *composer) emit(r *response) {
	s := c.stream
	s.seq++
	nonce := strconv.FormatUint(c.engine.turns, 10) + "-" + strconv.Itoa(s.seq)
	out := &cache.Response{Type: r.kind.URL, Nonce: nonce, Resources: r.resources, Removed: r.removed}
	c.push.Responses = append(c.push.Responses, out)
	s.outstanding = append(s.outstanding, &sent{seq: s.seq, nonce: nonce, kind: r.kind, fresh: r.resources[:r.fresh], items: r.items, at: c.engine.clock()})
	s.subs[r.kind.rank].sentNonce = nonce
	c.engine.metrics.sent(out)
}
