package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/envoy"
)

// lookEvery is how often shutdown counts what is open.
const lookEvery = 200 * time.Millisecond

// shutdown ends an Envoy in order.
type shutdown struct {
	cfg     *Config
	admin   *envoy.Admin
	status  *status
	process *envoy.Process
	leaving *leaving
}

// run fails readiness, waits until callers know, tells connections to go, waits
// until they have or the limit is over, and ends Envoy. Idle connections that
// Envoy cannot tell end with it, which is why there is a limit.
func (s *shutdown) run(ctx context.Context, leave bool) error {
	log := logr.FromContextOrDiscard(ctx)
	s.status.draining.Store(true)
	limit := time.Now().Add(s.cfg.drain())
	heard, drained := false, false
	if leave {
		s.leaving.told.Store(true)
		d := s.leave(ctx)
		limit = time.Now().Add(s.cfg.drain())
		if d != nil {
			heard, drained = d.heard, d.drained
			// The grace period is the one deadline, whatever took it up.
			limit = earlier(limit, d.since.Add(s.cfg.grace()-stopGrace))
		}
	}
	if !drained {
		if err := s.admin.Drain(ctx, s.cfg.Bootstrap.Role != bootstrap.Router); err != nil {
			log.Error(err, "Draining Envoy")
			return s.process.Stop(stopGrace)
		}
	}
	s.wait(ctx, heard, limit)
	log.Info("Stopping Envoy")
	return s.process.Stop(stopGrace)
}

// leave waits for the departure, unless Envoy ends before.
func (s *shutdown) leave(ctx context.Context) *departure {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.process.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return s.leaving.wait(ctx)
}

func (s *shutdown) wait(ctx context.Context, heard bool, until time.Time) {
	log := logr.FromContextOrDiscard(ctx)
	limit := time.After(time.Until(until))
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		open, err := s.open(ctx, heard)
		if err != nil {
			log.Error(err, "Counting connections")
		} else if open == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-s.process.Done():
			return
		case <-limit:
			log.Info("Giving up on open connections", "open", open)
			return
		}
	}
}

// open is what keeps Envoy: connections, or only requests in a sidecar of which
// every proxy has heard that it goes: nobody uses its idle connections again.
func (s *shutdown) open(ctx context.Context, heard bool) (int, error) {
	if heard && s.cfg.Bootstrap.Role != bootstrap.Router {
		return s.admin.Requests(ctx)
	}
	return s.admin.Connections(ctx, s.cfg.Bootstrap.Ports.Health, s.cfg.Bootstrap.Ports.Stats)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
