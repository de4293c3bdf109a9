package push

import (
	"time"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// maxUnknown is how many names that do not exist one stream may wait for, per
// type. What is over is answered once and not remembered.
const maxUnknown = 4096

// maxBacklog is how many requests of one stream may wait for the engine. A client
// that sends more is not read from.
const maxBacklog = 64

// stream is one connected proxy. All fields but the channels belong to the
// engine's goroutine.
type stream struct {
	// computation is that of the proxy's facts.
	computation
	engine    *Engine
	proxy     mesh.Proxy
	connected time.Time
	pushes    chan *cache.Push
	backlog   chan struct{}

	facts mesh.Facts
	// scope limits what the stream holds; nil is everything.
	scope *scope
	// subs are the subscriptions by rank of their type.
	subs []subscription
	// at is the place in the engine's list.
	at int
	// writing: a push was handed over and is not written yet.
	writing bool
	// since is when the first change came in that is not pushed yet, writingSince
	// that of the push that is being written; zero if there is none.
	since, writingSince time.Time
	queued              bool
	closed              bool
	// resumed: the client came with versions of an earlier stream.
	resumed bool
	// seq numbers the responses; outstanding are those without an answer.
	seq         int
	outstanding []*sent
	// ackTimes are those of the last answers, of which keptAckTimes are kept.
	ackTimes []time.Duration
}

const keptAckTimes = 8

// subscription is what one stream has asked of one type.
type subscription struct {
	// class is nil until the type is asked for.
	class *class
	at    int

	wildcard bool
	// asked are the names asked for; unknown those of them that do not exist.
	asked   slotset
	unknown map[string]struct{}
	// stash is what the client holds of names within an outer one that it has
	// not asked for yet on this stream.
	stash map[string]string
	// owed are assignments whose cluster was sent before they were asked for:
	// to be sent although the client holds them.
	owed map[string]struct{}

	// answer: the first request must be answered even if there is nothing.
	answer bool
	// fresh are names of which the client holds nothing: they cost a bit each. One
	// that was asked for must be answered. dirty are the others that are to be
	// looked at. No name is in both.
	fresh slotset
	dirty map[string]want
	// waiting are removals that wait for the answer to what names them.
	waiting  map[string]removal
	rejected map[string]rejection
	// retry are parts of rejected responses, to be sent each by itself.
	retry [][]item

	sentNonce, ackedNonce string
	nacks                 int
}

// want is a dirty name.
type want struct {
	// held is the version that the client holds, "" for none.
	held string
	// must: the client waits for an answer even if it holds this version.
	must bool
}

type removal struct {
	held string
	// after is the last response that must be answered first.
	after     int
	notBefore time.Time
}

type rejection struct {
	// version was rejected; held is what the client goes on with.
	version, held, err string
}

// target is a cell with what decides who wants it.
type target struct {
	slot      int
	scoped    bool
	outer     *cell
	outerName string
}

func (e *Engine) target(cl *cell) target {
	t := target{slot: cl.slot, scoped: cl.scoped, outerName: cl.outer}
	if w := cl.kind.within; w != nil {
		t.outer = w.cells[cl.outer]
	}
	return t
}

// wants reports whether the stream is to hold the name.
func (s *stream) wants(k *kind, t target) bool { return s.admits(k, t) && s.subscribes(k, t) }

// subscribes reports whether the stream asked for the name, by itself or with
// others.
func (s *stream) subscribes(k *kind, t target) bool {
	sub := &s.subs[k.rank]
	if sub.class == nil {
		return false
	}
	if sub.wildcard || sub.asked.has(t.slot) {
		return true
	}
	if k.within == nil {
		return false
	}
	outer := &s.subs[k.within.rank]
	if t.outer != nil && outer.asked.has(t.outer.slot) {
		return true
	}
	_, waits := outer.unknown[t.outerName]
	return waits
}

// asks reports whether the stream asked for the name itself.
func (s *stream) asks(k *kind, name string) bool {
	sub := &s.subs[k.rank]
	if cl := k.cells[name]; cl != nil && sub.asked.has(cl.slot) {
		return true
	}
	_, waits := sub.unknown[name]
	return waits
}

// know moves a name that appeared from the unknown to the asked ones.
func (sub *subscription) know(cl *cell) {
	if _, waits := sub.unknown[cl.name]; waits {
		delete(sub.unknown, cl.name)
		sub.asked.add(cl.slot)
	}
}

// unknow is the way back, for a name that vanished.
func (sub *subscription) unknow(cl *cell) {
	if sub.fresh.has(cl.slot) {
		sub.fresh.remove(cl.slot)
		if sub.asked.has(cl.slot) {
			sub.want(cl.name, want{must: true})
		}
	}
	if sub.asked.has(cl.slot) {
		sub.asked.remove(cl.slot)
		sub.wait(cl.name)
	}
}

func (sub *subscription) wait(name string) {
	if sub.unknown == nil {
		sub.unknown = map[string]struct{}{}
	}
	if len(sub.unknown) < maxUnknown {
		sub.unknown[name] = struct{}{}
	}
}

// mark notes that a name's bytes are others than what the client holds. What it
// held when the name was marked first stays, so that a change and its reverse
// send nothing.
func (e *Engine) mark(s *stream, k *kind, cl *cell, was string) {
	sub, name := &s.subs[k.rank], cl.name
	if s.since.IsZero() {
		s.since = e.cause
	}
	if _, marked := sub.dirty[name]; !marked && !sub.fresh.has(cl.slot) {
		if w, waits := sub.waiting[name]; waits {
			was = w.held
			delete(sub.waiting, name)
		}
		if r, rejected := sub.rejected[name]; rejected {
			was = r.held
		}
		sub.want(name, want{held: was})
	}
	e.queue(s)
}

func (sub *subscription) want(name string, w want) {
	if sub.dirty == nil {
		sub.dirty = map[string]want{}
	}
	sub.dirty[name] = w
}

// settle takes back that a name is to be looked at.
func (sub *subscription) settle(cl *cell) {
	delete(sub.dirty, cl.name)
	sub.fresh.remove(cl.slot)
}

// queue lets the stream be looked at once the turn is over.
func (e *Engine) queue(s *stream) {
	if !s.queued && !s.closed {
		s.queued = true
		e.queued = append(e.queued, s)
	}
}

// connect makes a stream. It is sent nothing until it asks.
func (e *Engine) connect(s *stream) {
	s.subs = make([]subscription, len(e.kinds))
	s.dirtied = func() { e.dirtyFacts = append(e.dirtyFacts, s) }
	e.computeFacts(s)
	if s.facts == nil {
		s.facts = noFacts{}
	}
	s.scope = e.holdScope(s.facts)
	s.at = len(e.streams)
	e.streams = append(e.streams, s)
}

// noFacts stands for a proxy whose facts could not be computed.
type noFacts struct{}

func (noFacts) Fact(mesh.Fact) string { return "" }

// disconnect forgets a stream. Its classes stay for a while.
func (e *Engine) disconnect(s *stream) {
	if s.closed {
		return
	}
	s.closed = true
	e.forget(&s.computation)
	e.letGoScope(s.scope)
	for _, k := range e.kinds {
		if s.subs[k.rank].class != nil {
			e.leave(s, k)
		}
	}
	last := len(e.streams) - 1
	moved := e.streams[last]
	e.streams[s.at], moved.at = moved, s.at
	e.streams[last] = nil
	e.streams = e.streams[:last]
	s.subs, s.outstanding = nil, nil
}
