package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/envoy"
)

// lookEvery is how often shutdown counts connections.
const lookEvery = 200 * time.Millisecond

// shutdown ends an Envoy in order.
type shutdown struct {
	cfg     *Config
	admin   *envoy.Admin
	status  *status
	process *envoy.Process
}

// run fails readiness, tells connections to go, waits until they have or the
// limit is over, and ends Envoy. Idle connections that Envoy cannot tell end
// with it, which is why there is a limit.
func (s *shutdown) run(ctx context.Context) error {
	log := logr.FromContextOrDiscard(ctx)
	s.status.draining.Store(true)
	router := s.cfg.Bootstrap.Role == bootstrap.Router
	if err := s.admin.Drain(ctx, !router); err != nil {
		log.Error(err, "Draining Envoy")
	} else {
		s.wait(ctx, router)
	}
	log.Info("Stopping Envoy")
	return s.process.Stop(stopGrace)
}

func (s *shutdown) wait(ctx context.Context, router bool) {
	log := logr.FromContextOrDiscard(ctx)
	limit := time.After(s.cfg.drain())
	// A sidecar's application has ended: who still comes gets nothing anyway.
	minimum := time.Duration(0)
	if router {
		minimum = min(routerMinimum, s.cfg.drain())
	}
	notBefore := time.Now().Add(minimum)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		open, err := s.admin.Connections(ctx, s.cfg.Bootstrap.Ports.Health, s.cfg.Bootstrap.Ports.Stats)
		if err != nil {
			log.Error(err, "Counting connections")
		} else if open == 0 && !time.Now().Before(notBefore) {
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
