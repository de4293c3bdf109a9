package push

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// sent is one response without an answer.
type sent struct {
	seq   int
	nonce string
	kind  *kind
	items []item
	at    time.Time
	// again: a part of a response that was rejected.
	again bool
}

// item is one name in a response; version is "" for a removal. held is what the
// client held before.
type item struct {
	name, version, held string
}

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
			s.writing = true
			s.pushes <- p
		}
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
	removed   []string
	items     []item
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
	for _, name := range c.names(k) {
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
	cl, class := k.cells[name], c.stream.subs[k.rank].class
	if cl == nil || class == nil || !c.stream.scope.admits(k, cl) {
		return nil
	}
	return class.leaf(cl.slot)
}

// following notes the assignments of a cluster: Envoy warms a changed cluster
// until its assignment is sent again, and does not ask for it.
func (c *composer) following(k *kind, l *leaf) {
	if k.URL != resource.Cluster {
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
		if o.kind == k && o.seq > c.stream.seq-len(c.push.Responses) &&
			slices.ContainsFunc(o.items, func(it item) bool { return it.name == name }) {
			return true
		}
	}
	return false
}

// removals sends what waited long enough, clusters before their assignments.
func (c *composer) removals() {
	s := c.stream
	for _, url := range []resource.TypeURL{resource.Cluster, resource.Endpoints} {
		k := c.engine.byURL[url]
		if k == nil || s.subs[k.rank].class == nil {
			continue
		}
		sub := &s.subs[k.rank]
		r := &response{kind: k}
		for name, w := range sub.waiting {
			if w.after < 0 {
				w.after, w.notBefore = s.seq, c.notBefore()
				sub.waiting[name] = w
			}
			if c.engine.ripe(s, k, w) {
				delete(sub.waiting, name)
				r.remove(name, w.held)
			}
		}
		if len(r.items) > 0 {
			slices.Sort(r.removed)
			c.emit(r)
		}
	}
}

// resumeHold is how long removals found on resume wait: the routes that name
// what is removed are asked for later than the clusters.
const resumeHold = 5 * time.Second

// notBefore is when connections over listeners that this push changes are gone.
func (c *composer) notBefore() time.Time {
	e, s := c.engine, c.stream
	var wait time.Duration
	if s.resumed && e.clock().Sub(s.connected) < resumeHold {
		wait = min(resumeHold, e.drain)
	}
	for _, r := range c.push.Responses {
		if r.Type == resource.Listener {
			wait = e.drain
		}
	}
	if wait == 0 {
		return time.Time{}
	}
	until := e.clock().Add(wait)
	time.AfterFunc(wait, func() { e.post(func() { e.queue(s) }) })
	return until
}

// ripe reports whether nothing that the client has may name it any more.
func (e *Engine) ripe(s *stream, k *kind, w removal) bool {
	if !w.notBefore.IsZero() && e.clock().Before(w.notBefore) {
		return false
	}
	for _, o := range s.outstanding {
		switch o.kind.URL {
		case resource.Listener, resource.Route, resource.VirtualHost:
			if o.seq <= w.after || o.again {
				return false
			}
		case resource.Cluster:
			if k.URL == resource.Endpoints {
				return false
			}
		}
	}
	for _, o := range e.kinds {
		sub := &s.subs[o.rank]
		// Who refuses something goes on with what it had, and that may name it.
		if o.URL != k.URL && len(sub.retry)+len(sub.rejected) > 0 {
			return false
		}
		if o.URL == resource.Cluster && k.URL == resource.Endpoints && len(sub.waiting) > 0 {
			return false
		}
	}
	return true
}

// emit numbers a response and puts it into the push.
func (c *composer) emit(r *response) {
	s := c.stream
	s.seq++
	nonce := strconv.FormatUint(c.engine.turns, 10) + "-" + strconv.Itoa(s.seq)
	out := &cache.Response{Type: r.kind.URL, Nonce: nonce, Resources: r.resources, Removed: r.removed}
	c.push.Responses = append(c.push.Responses, out)
	s.outstanding = append(s.outstanding, &sent{seq: s.seq, nonce: nonce, kind: r.kind, items: r.items, at: c.engine.clock()})
	s.subs[r.kind.rank].sentNonce = nonce
	c.engine.metrics.sent(out)
}
