package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"golang.org/x/sync/errgroup"

	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// churnRates are how many endpoints change in a second.
var churnRates = []int{20, 200}

const (
	// churnWriters change endpoints at once: an API server answers one in
	// milliseconds.
	churnWriters = 8
	// churnBase keeps the addresses of each rate apart.
	churnBase = 1 << 16
)

// churn measures how stale the proxies are while endpoints change all the time:
// for each change and proxy, the time from the change until the proxy is sent it
// or a later one of the same service.
func (b *bench) churn(ctx context.Context, rate int, length time.Duration) error {
	changes := max(1, int(length.Seconds()*float64(rate)))
	w := newWatch(len(b.mesh.services), changes, rate*churnBase)
	for _, p := range b.fleet.proxies {
		seen := make([]int, len(b.mesh.services))
		p.session.Look(func(c *adsclient.Client) {
			c.Seen = func(t resource.TypeURL, _ string, r adsclient.Resource) {
				if t == resource.Endpoints {
					w.take(seen, r)
				}
			}
		})
	}
	r := newResult(fmt.Sprintf("%d endpoints a second for %s", rate, length), 1)
	err := b.measure(ctx, r, b.fleet.proxies, func(int) error { return b.change(ctx, w, rate) })
	for _, p := range b.fleet.proxies {
		p.session.Look(func(c *adsclient.Client) { c.Seen = nil })
	}
	if err != nil {
		return err
	}
	last := &b.results[len(b.results)-1]
	last.Iterations = changes
	last.Proxy = percentilesOf(w.stale)
	last.Last = last.Proxy
	if missed := changes*len(b.fleet.proxies) - len(w.stale); missed > 0 {
		return fmt.Errorf("%s: %d changes never reached a proxy", r.Phase, missed)
	}
	return nil
}

// change makes the changes in time.
func (b *bench) change(ctx context.Context, w *watch, rate int) error {
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for writer := range churnWriters {
		group.Go(func() error {
			// A service is changed by one writer, so in order.
			for i := range w.began {
				if i%w.services%churnWriters != writer {
					continue
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate)))):
				}
				slice := b.mesh.slice(b.mesh.services[i%w.services])
				slice.Endpoints[0].Addresses = []string{address(freshAddresses, w.base+i)}
				w.begin(i)
				if err := b.target.apply(ctx, []change{{object: slice}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// watch takes the time of each change at each proxy. Change i is of service i
// modulo services and brings the address base + i.
type watch struct {
	services, base int
	numbers        map[string]int

	mu    sync.Mutex
	began []time.Time
	// known is the change that an assignment is of.
	known map[adsclient.Resource]int
	stale []time.Duration
}

func newWatch(services, changes, base int) *watch {
	w := &watch{services: services, base: base, numbers: map[string]int{}, began: make([]time.Time, changes), known: map[adsclient.Resource]int{}}
	for i := range changes {
		w.numbers[address(freshAddresses, base+i)] = i
	}
	return w
}

func (w *watch) begin(i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began[i] = time.Now()
}

// take notes what a proxy received. seen is the proxy's: the next change that it
// has not heard of, by service.
func (w *watch) take(seen []int, r adsclient.Resource) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.known[r]
	if !ok {
		at = w.read(r)
		w.known[r] = at
	}
	if at < 0 {
		return
	}
	service := at % w.services
	for ; seen[service]*w.services+service <= at; seen[service]++ {
		w.stale = append(w.stale, now.Sub(w.began[seen[service]*w.services+service]))
	}
}

// read finds the change that an assignment is of, -1 for none.
func (w *watch) read(r adsclient.Resource) int {
	var a endpointv3.ClusterLoadAssignment
	if r.Body.UnmarshalTo(&a) != nil {
		return -1
	}
	for _, group := range a.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			if i, ok := w.numbers[e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()]; ok {
				return i
			}
		}
	}
	return -1
}
