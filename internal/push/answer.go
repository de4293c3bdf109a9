package push

import (
	"slices"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// answered takes up an ACK or a NACK.
func (e *Engine) answered(s *stream, k *kind, req *cache.Request) {
	at := slices.IndexFunc(s.outstanding, func(o *sent) bool { return o.nonce == req.Nonce && o.kind == k })
	if at < 0 {
		return // Of an earlier stream, or answered already.
	}
	o := s.outstanding[at]
	s.outstanding = slices.Delete(s.outstanding, at, at+1)
	e.metrics.acks.Observe(e.clock().Sub(o.at).Seconds())
	s.ackTimes = append(s.ackTimes[max(0, len(s.ackTimes)+1-keptAckTimes):], e.clock().Sub(o.at))
	sub := &s.subs[k.rank]
	if req.Error == "" {
		sub.ackedNonce = o.nonce
		return
	}
	o.unpack()
	sub.nacks++
	e.metrics.nack(k.URL)
	e.log.Info("Proxy rejected a response", "proxy", s.proxy.ID, "typeURL", string(k.URL), "nonce", o.nonce, "delta", len(o.items), "reason", req.Error)
	if len(o.items) == 1 {
		e.reject(s, k, o.items[0], req.Error)
		return
	}
	// What was removed goes with the first half: a domain may have moved.
	slices.SortStableFunc(o.items, func(a, b item) int { return len(a.version) - len(b.version) })
	half := len(o.items) / 2
	for _, part := range [][]item{o.items[:half], o.items[half:]} {
		if len(part) > 0 {
			sub.retry = append(sub.retry, part)
		}
	}
}

// reject remembers what one resource was refused with. If it was sent or marked
// again meanwhile, the newer one counts; the client still holds what it held.
func (e *Engine) reject(s *stream, k *kind, it item, reason string) {
	sub := &s.subs[k.rank]
	if cl := k.cells[it.name]; cl != nil && sub.fresh.has(cl.slot) {
		return
	}
	if w, dirty := sub.dirty[it.name]; dirty {
		w.held = it.held
		sub.dirty[it.name] = w
		return
	}
	for _, o := range s.outstanding {
		if o.kind != k {
			continue
		}
		o.unpack()
		for i := range o.items {
			if o.items[i].name == it.name {
				o.items[i].held = it.held
				return
			}
		}
	}
	if it.version == "" {
		return
	}
	if sub.rejected == nil {
		sub.rejected = map[string]rejection{}
	}
	sub.rejected[it.name] = rejection{version: it.version, held: it.held, err: reason}
}
