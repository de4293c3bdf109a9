package push

import (
	"slices"
	"time"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

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
