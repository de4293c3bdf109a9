package push

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// Config is what an engine is made of.
type Config struct {
	// Store is the engine's from here on: nobody else may use it.
	Store *mesh.Store
	// Derivations in an order in which each reads only earlier ones.
	Derivations []mesh.Derivation
	FactsOf     mesh.FactsOf
	// Types in the order of a push: what is named before what names it.
	Types []resource.Type
	// OnProblems is told which derived Problems changed, by the key of
	// mesh.ProblemsKey; nil for none any more. Not before Synced: half of the
	// objects would be full of problems. It is called between turns by the
	// engine's goroutine and must not block. May be nil.
	OnProblems func(map[mesh.Key]*mesh.Problems)
	// Drain is how long removed clusters outlive a change of listeners, whose
	// connections drain so long. 0 removes them once all is acknowledged.
	Drain time.Duration
	// Strict makes a panic of a pure function fatal; for tests.
	Strict   bool
	Log      logr.Logger
	Registry prometheus.Registerer
}

// Engine builds resources for proxies and decides what to push. Its methods may
// be called by any goroutine; all state is owned by the one of Run.
type Engine struct {
	// Set by New and read-only afterwards.
	store       *mesh.Store
	derivations []mesh.Derivation
	ranks       map[mesh.Kind]int
	factsOf     mesh.FactsOf
	kinds       []*kind
	byURL       map[resource.TypeURL]*kind
	spawners    map[mesh.Kind][]*kind
	onProblems  func(map[mesh.Key]*mesh.Problems)
	drain       time.Duration
	strict      bool
	log         logr.Logger
	metrics     *metrics
	clock       func() time.Time
	ready       chan struct{}
	stopped     chan struct{}

	// The inbox: what other goroutines want.
	mu      sync.Mutex
	changes []mesh.Change
	// came is when the first of changes did.
	came   time.Time
	events []func()
	notify chan struct{}

	// What follows belongs to the goroutine of Run.
	synced bool
	// cause is when the changes of this turn came in; zero outside of turns.
	cause   time.Time
	turns   uint64
	serial  uint64
	entries map[mesh.Key]*entry
	derived map[mesh.Key]*derived
	streams []*stream
	scopes  map[string]*scope
	waiters map[mesh.Key][]chan<- struct{}
	leaves  int
	// barriers wait for proxies; see Acknowledged.
	barriers []*barrier
	// heldBySlot is the memory of the holdings of a request.
	heldBySlot []string
	// Seams of the property test: forget a read, see what a turn touches.
	dropRead func(mesh.Key) bool
	touched  func(mesh.Key)

	// What a turn works off. Empty between turns, but for moved and queued.
	dirtyDerived [][]*derived
	dirtyFacts   []*stream
	// orphans are derived keys that lost their last reader.
	orphans     []mesh.Key
	dirtySpawns []*spawned
	dirtyLeaves []*leaf
	queuedCells []queuedCell
	buried      []*cell
	changed     []*class
	problems    map[mesh.Key]*mesh.Problems
	// moved are streams whose facts changed; queued those to compose for.
	moved []*stream
	// respawned are the keys that give rise to other names.
	respawned []mesh.Key
	queued    []*stream
}

// New returns an engine that does nothing before Run.
func New(c Config) *Engine {
	e := &Engine{
		store: c.Store, derivations: c.Derivations, factsOf: c.FactsOf,
		onProblems: c.OnProblems, drain: c.Drain, strict: c.Strict, log: c.Log,
		metrics: newMetrics(c.Registry), clock: time.Now,
		ready: make(chan struct{}), stopped: make(chan struct{}), notify: make(chan struct{}, 1),
		ranks: map[mesh.Kind]int{}, byURL: map[resource.TypeURL]*kind{}, spawners: map[mesh.Kind][]*kind{},
		scopes: map[string]*scope{}, entries: map[mesh.Key]*entry{}, derived: map[mesh.Key]*derived{},
		waiters: map[mesh.Key][]chan<- struct{}{}, problems: map[mesh.Key]*mesh.Problems{},
		dirtyDerived: make([][]*derived, len(c.Derivations)),
	}
	for i, d := range c.Derivations {
		e.ranks[d.Kind] = i
	}
	for rank, t := range c.Types {
		k := newKind(t, rank)
		e.kinds = append(e.kinds, k)
		e.byURL[t.URL] = k
		e.metrics.startAtZero(t.URL)
		for _, from := range t.SpawnFrom {
			e.spawners[from] = append(e.spawners[from], k)
		}
	}
	for _, k := range e.kinds {
		if k.Within != "" {
			k.within = e.byURL[k.Within]
			k.within.inner = append(k.within.inner, k)
		}
		for _, name := range k.Static {
			k.cell(name).static = true
		}
	}
	return e
}

// Apply hands over changes, in order. It does not block; what arrives while the
// engine is busy is one turn.
func (e *Engine) Apply(changes []mesh.Change) {
	e.mu.Lock()
	if len(e.changes) == 0 {
		e.came = e.clock()
	}
	e.changes = append(e.changes, changes...)
	e.mu.Unlock()
	e.ring()
}

// Synced says that all objects that there are were applied: proxies may be
// served once they are built in. Call it once.
func (e *Engine) Synced() {
	e.post(func() {
		e.synced = true
		e.reportProblems()
		close(e.ready)
	})
}

// Ready is closed once proxies may be served.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// post runs f on the engine's goroutine after the changes applied so far.
func (e *Engine) post(f func()) {
	e.mu.Lock()
	e.events = append(e.events, f)
	e.mu.Unlock()
	e.ring()
}

func (e *Engine) ring() {
	select {
	case e.notify <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. There is no debounce: idle, it works at once; what
// arrives meanwhile is taken together.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	for {
		select {
		case <-ctx.Done():
			for _, s := range e.streams {
				close(s.pushes)
			}
			return nil
		case <-e.notify:
			e.step()
		}
	}
}

// step takes all that is in the inbox, and pushes.
func (e *Engine) step() {
	e.mu.Lock()
	changes, events := e.changes, e.events
	e.changes, e.events = nil, nil
	e.cause = e.came
	e.mu.Unlock()
	if len(changes) > 0 {
		e.turn(changes)
	}
	e.cause = time.Time{}
	for _, f := range events {
		f()
	}
	e.resign()
	e.flush()
	e.passBarriers()
	e.metrics.state(e)
}

// Connect makes a stream for a proxy that was identified. It is sent nothing
// until it asks.
func (e *Engine) Connect(p mesh.Proxy) cache.Stream {
	s := &stream{engine: e, proxy: p, connected: e.clock(), pushes: make(chan *cache.Push, 1), backlog: make(chan struct{}, maxBacklog)}
	e.post(func() { e.connect(s) })
	return s
}

// Request implements cache.Stream.
func (s *stream) Request(r *cache.Request) {
	select {
	case s.backlog <- struct{}{}:
	case <-s.engine.stopped:
		return
	}
	s.engine.post(func() {
		<-s.backlog
		s.engine.request(s, r)
	})
}

// Pushes implements cache.Stream. It is closed when the engine stops.
func (s *stream) Pushes() <-chan *cache.Push { return s.pushes }

// Written implements cache.Stream.
func (s *stream) Written() {
	s.engine.post(func() {
		s.writing = false
		s.engine.metrics.wrote(s.engine.clock(), s.writingSince)
		s.engine.queue(s)
	})
}

// Close implements cache.Stream.
func (s *stream) Close() { s.engine.post(func() { s.engine.disconnect(s) }) }

// Look calls look with the stored values. It returns false, and look is perhaps
// not called, if ctx ends first.
func (e *Engine) Look(ctx context.Context, look func(mesh.Lookup)) bool {
	looked := make(chan struct{})
	e.post(func() {
		if ctx.Err() == nil {
			look(e.store)
			close(looked)
		}
	})
	select {
	case <-looked:
		return true
	case <-ctx.Done():
	case <-e.stopped:
	}
	return false
}

// Workload returns the pod of a key. If the store does not hold it, or not as
// ready wants it, it waits until it does or ctx ends; then it returns nil.
func (e *Engine) Workload(ctx context.Context, k mesh.Key, ready func(*mesh.Workload) bool) *mesh.Workload {
	for {
		var found *mesh.Workload
		changed, looked := make(chan struct{}), make(chan struct{})
		e.post(func() {
			if w, ok := e.store.Get(k).(*mesh.Workload); ok && ready(w) {
				found = w
			} else {
				e.waiters[k] = append(e.waiters[k], changed)
			}
			close(looked)
		})
		select {
		case <-looked:
		case <-e.stopped:
			return nil
		}
		if found != nil {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			e.post(func() { e.stopWaiting(k, changed) })
			return nil
		case <-e.stopped:
			return nil
		}
	}
}

func (e *Engine) wakeWaiters(k mesh.Key) {
	if len(e.waiters) == 0 {
		return
	}
	for _, w := range e.waiters[k] {
		close(w)
	}
	delete(e.waiters, k)
}

func (e *Engine) stopWaiting(k mesh.Key, gone chan<- struct{}) {
	var left []chan<- struct{}
	for _, w := range e.waiters[k] {
		if w != gone {
			left = append(left, w)
		}
	}
	if e.waiters[k] = left; len(left) == 0 {
		delete(e.waiters, k)
	}
}
