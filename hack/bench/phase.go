package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/meshwright/meshwright/internal/test/adsclient"
)

// bench measures one server.
type bench struct {
	target *target
	mesh   *meshOf
	fleet  *fleet
	// iterations is how often each kind of change is made.
	iterations int
	// quiet is how long nothing must come before a change is over.
	quiet time.Duration
	// churnFor is how long endpoints change all the time, 0 for not at all.
	churnFor time.Duration
	progress io.Writer
	results  []result
}

// patience is how long the proxies may take to fall silent.
const patience = 2 * time.Minute

// idleFor is how long the server is watched while nothing happens.
const idleFor = 3 * time.Second

// run goes through all phases.
func (b *bench) run(ctx context.Context) error {
	first, rest := b.kinds()
	if err := b.phase(ctx, "first proxy of each namespace connects", first, func(int) error { return b.fleet.connect(ctx, first) }); err != nil {
		return err
	}
	if len(rest) > 0 {
		if err := b.phase(ctx, "the other proxies connect", rest, func(int) error { return b.fleet.connect(ctx, rest) }); err != nil {
			return err
		}
	}
	if err := b.idle(ctx); err != nil {
		return err
	}
	for _, s := range steps {
		if err := b.step(ctx, s); err != nil {
			return err
		}
	}
	if b.churnFor > 0 {
		for _, rate := range churnRates {
			if err := b.churn(ctx, rate, b.churnFor); err != nil {
				return err
			}
		}
	}
	if err := b.fleet.disconnect(); err != nil {
		return err
	}
	if err := b.phase(ctx, "all reconnect with versions", b.fleet.proxies, func(int) error { return b.fleet.connect(ctx, b.fleet.proxies) }); err != nil {
		return err
	}
	return b.restart(ctx)
}

// restart measures how proxies come back to a server that knows nothing of them.
func (b *bench) restart(ctx context.Context) error {
	if b.target.restart == nil {
		return nil
	}
	if err := b.fleet.disconnect(); err != nil {
		return err
	}
	if err := b.target.restart(ctx); err != nil {
		return fmt.Errorf("restart the server: %w", err)
	}
	return b.phase(ctx, "all reconnect to a restarted server", b.fleet.proxies, func(int) error { return b.fleet.connect(ctx, b.fleet.proxies) })
}

// kinds parts the proxies: the first of each namespace, which the server has
// seen no other like, and the rest.
func (b *bench) kinds() (first, rest []*proxy) {
	seen := map[string]bool{}
	for i, p := range b.fleet.proxies {
		if ns := b.mesh.sidecars[i].namespace; seen[ns] {
			rest = append(rest, p)
		} else {
			seen[ns] = true
			first = append(first, p)
		}
	}
	return first, rest
}

// step measures a kind of change.
func (b *bench) step(ctx context.Context, s step) error {
	if s.prepare != nil {
		if err := b.target.apply(ctx, s.prepare(b.mesh, b.iterations)); err != nil {
			return fmt.Errorf("prepare %q: %w", s.name, err)
		}
		if err := b.fleet.silence(ctx, b.quiet, patience); err != nil {
			return fmt.Errorf("prepare %q: %w", s.name, err)
		}
	}
	r := newResult(s.name, b.iterations)
	return b.measure(ctx, r, b.fleet.proxies, func(i int) error { return b.target.apply(ctx, s.make(b.mesh, i)) })
}

// phase measures what happens once, to some proxies.
func (b *bench) phase(ctx context.Context, name string, to []*proxy, do func(int) error) error {
	return b.measure(ctx, newResult(name, 1), to, do)
}

// measure takes the figures of what is done as often as r says, each time until
// all is silent.
func (b *bench) measure(ctx context.Context, r *result, to []*proxy, do func(int) error) error {
	faults := b.fleet.faults.Load()
	before, err := b.target.server.usage()
	if err != nil {
		return err
	}
	for i := range r.Iterations {
		was, start := look(to), time.Now()
		if err := do(i); err != nil {
			return fmt.Errorf("%s: %w", r.Phase, err)
		}
		if err := b.fleet.silence(ctx, b.quiet, patience); err != nil {
			return fmt.Errorf("%s: %w", r.Phase, err)
		}
		r.add(was, look(to), start)
	}
	after, err := b.target.server.usage()
	if err != nil {
		return err
	}
	r.Faults = int(b.fleet.faults.Load() - faults)
	r.finish(before, after)
	b.results = append(b.results, *r)
	_, err = fmt.Fprintf(b.progress, "%s: done\n", r.Phase)
	return err
}

// idle measures what the server uses when nothing happens.
func (b *bench) idle(ctx context.Context) error {
	return b.phase(ctx, "idle for "+idleFor.String(), b.fleet.proxies, func(int) error {
		select {
		case <-time.After(idleFor - b.quiet):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// result is what one phase cost.
type result struct {
	Phase      string `json:"phase"`
	Iterations int    `json:"iterations"`
	// Proxies are those that are looked at; Reached is how many of them got
	// something, the mean of the iterations.
	Proxies int     `json:"proxies"`
	Reached float64 `json:"reached"`
	// Total is what all proxies received in all iterations, and Types the same
	// by type. Requests are the bytes that the proxies sent.
	Total    adsclient.Count            `json:"total"`
	Types    map[string]adsclient.Count `json:"types"`
	Requests int                        `json:"requestBytes"`
	Faults   int                        `json:"faults"`
	// Proxy has the time from the change to the last response of each proxy that
	// got one; Last that of the last proxy in each iteration. In milliseconds.
	Proxy percentiles `json:"proxyMilliseconds"`
	Last  percentiles `json:"lastProxyMilliseconds"`
	// CPU of the server in all iterations, the silence after each included.
	CPUMilliseconds float64 `json:"cpuMilliseconds"`
	// ResidentBytes are at the end of the phase, PeakBytes since the start.
	// AnonymousBytes are ResidentBytes without what is mapped from the program's
	// file.
	ResidentBytes  int64 `json:"residentBytes"`
	AnonymousBytes int64 `json:"anonymousBytes"`
	PeakBytes      int64 `json:"peakBytes"`

	each, last []time.Duration
	reached    int
}

func newResult(phase string, iterations int) *result {
	return &result{Phase: phase, Iterations: iterations, Types: map[string]adsclient.Count{}}
}

// add takes up one iteration.
func (r *result) add(was, now map[*proxy]seen, start time.Time) {
	var last time.Duration
	r.Proxies = len(now)
	for p, s := range now {
		before := was[p]
		if before.counts == nil {
			// A new session: the client counts on over its sessions.
			before.counts = p.base
		}
		r.Requests += s.sent - before.sent
		for t, count := range s.counts {
			got := minus(count, before.counts[t])
			r.Total = r.Total.Add(got)
			if got != (adsclient.Count{}) {
				r.Types[t.Short()] = r.Types[t.Short()].Add(got)
			}
		}
		if s.last.After(start) {
			took := s.last.Sub(start)
			r.each = append(r.each, took)
			last = max(last, took)
			r.reached++
		}
	}
	if last > 0 {
		r.last = append(r.last, last)
	}
}

func minus(a, b adsclient.Count) adsclient.Count {
	return a.Add(adsclient.Count{
		Responses: -b.Responses, Resources: -b.Resources, Removed: -b.Removed, Bytes: -b.Bytes, Resent: -b.Resent, Owed: -b.Owed,
	})
}

// finish works out the figures of all iterations.
func (r *result) finish(before, after usage) {
	r.Reached = float64(r.reached) / float64(r.Iterations)
	r.Proxy, r.Last = percentilesOf(r.each), percentilesOf(r.last)
	r.CPUMilliseconds = milliseconds(after.cpu - before.cpu)
	r.ResidentBytes, r.AnonymousBytes, r.PeakBytes = after.resident, after.anonymous, after.peak
}

// percentiles are of times, in milliseconds; all 0 if there was none.
type percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func percentilesOf(times []time.Duration) percentiles {
	if len(times) == 0 {
		return percentiles{}
	}
	slices.Sort(times)
	// The smallest value that so many percent are not above.
	at := func(percent int) float64 {
		return milliseconds(times[(len(times)*percent+99)/100-1])
	}
	return percentiles{P50: at(50), P90: at(90), P99: at(99), Max: at(100)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
