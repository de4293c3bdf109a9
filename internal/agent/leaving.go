package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/envoy"
	"github.com/meshwright/meshwright/internal/agent/svid"
	"github.com/meshwright/meshwright/internal/leave"
)

const (
	// defaultGrace is Kubernetes' own.
	defaultGrace = 30 * time.Second
	// maxWithdrawal bounds the wait for discovery's word, and the minima are for those
	// who do not hear from it: kube-proxy, and load balancers before gateways.
	maxWithdrawal = 10 * time.Second
	minSidecar    = 2 * time.Second
	minRouter     = 5 * time.Second
	// maxRequests bounds the wait for requests under way before the application
	// is told to end. What takes longer is the application's to finish.
	maxRequests = 5 * time.Second
	// askAgain is the pause after discovery could not be reached.
	askAgain = 300 * time.Millisecond
)

// DrainPath is where kubelet asks before it ends a container of the pod: the
// answer comes when the container may be told.
const DrainPath = "/drain"

// leaving is the end of a pod up to the moment at which nobody sends it requests
// any more. It is safe for concurrent use.
type leaving struct {
	cfg    *Config
	admin  *envoy.Admin
	client *svid.Client
	// identity is the newest certificate, nil before the first.
	identity atomic.Pointer[svid.Identity]
	// told: kubelet said so, within the pod, or by the signal. Without it only
	// discovery is believed.
	told atomic.Bool
	// life is how long the work of a question may go on.
	life context.Context //nolint:containedctx // kubelet may give up, the pod still goes

	mu    sync.Mutex
	under *departure // nil as long as the pod is not to go
}

// departure is one run of leaving.
type departure struct {
	since time.Time
	// done is closed at its end; what follows is set before.
	done chan struct{}
	// stays: discovery says that the pod is not to go.
	stays bool
	// heard: all proxies know. drained: Envoy told its connections to go.
	heard, drained bool
}

// begin starts the departure, or joins the one under way.
func (l *leaving) begin() *departure {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under == nil {
		d := &departure{since: time.Now(), done: make(chan struct{})}
		l.under = d
		go func() {
			defer close(d.done)
			if l.run(d); d.stays {
				l.mu.Lock()
				l.under = nil
				l.mu.Unlock()
			}
		}()
	}
	return l.under
}

// wait returns how the departure ended, nil if ctx ended first.
func (l *leaving) wait(ctx context.Context) *departure {
	d := l.begin()
	select {
	case <-d.done:
		return d
	case <-ctx.Done():
		return nil
	}
}

// ServeHTTP holds kubelet back until the container may end. That a stranger asks
// does no harm: unless discovery says that the pod goes, nothing happens. What
// comes from within the pod is the hook of the proxy's container.
func (l *leaving) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if withinPod(r) {
		l.told.Store(true)
	}
	l.wait(r.Context())
}

// run waits until discovery says that all proxies know that this pod goes; then
// it tells connections to go and waits for requests under way. Without discovery
// nobody can be told: after a while Envoy takes no more connections, which
// callers' proxies then make elsewhere.
func (l *leaving) run(d *departure) {
	log := logr.FromContextOrDiscard(l.life)
	part := l.cfg.grace() / 3
	ctx, cancel := context.WithDeadline(l.life, d.since.Add(min(maxWithdrawal, part)))
	defer cancel()
	err := l.ask(ctx)
	if grpcstatus.Code(err) == codes.FailedPrecondition && !l.told.Load() {
		d.stays = true
		return
	}
	if err != nil {
		log.Info("Leaving without discovery's word", "reason", err.Error(), "took", time.Since(d.since))
	} else {
		log.Info("Withdrawn everywhere", "took", time.Since(d.since))
	}
	router, minimum := l.cfg.Bootstrap.Role == bootstrap.Router, minSidecar
	if router {
		minimum = minRouter
	}
	sleep(l.life, time.Until(d.since.Add(min(minimum, part))))
	d.heard = err == nil
	switch {
	case d.heard:
		err = l.admin.Drain(l.life, !router)
	case l.told.Load() && !router:
		err = l.admin.Close(l.life)
	default:
		return
	}
	if err != nil {
		log.Error(err, "Draining Envoy")
		return
	}
	d.drained = true
	if !router {
		l.finish(min(maxRequests, part/2))
	}
}

// finish waits for requests under way.
func (l *leaving) finish(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end) && l.life.Err() == nil; sleep(l.life, lookEvery) {
		if open, err := l.admin.Requests(l.life); err == nil && open == 0 {
			return
		}
	}
}

// ask asks discovery until it answers or ctx ends.
func (l *leaving) ask(ctx context.Context) error {
	for {
		err := l.askOnce(ctx)
		switch grpcstatus.Code(err) {
		case codes.OK, codes.Unimplemented: // an older discovery
			return err
		case codes.FailedPrecondition:
			if !l.told.Load() {
				return err
			}
		}
		if sleep(ctx, askAgain); ctx.Err() != nil {
			return err
		}
	}
}

func (l *leaving) askOnce(ctx context.Context) error {
	id := l.identity.Load()
	if id == nil {
		return errors.New("ask discovery: there is no certificate yet")
	}
	pair, err := tls.X509KeyPair(id.Chain, id.Key)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	conn, err := l.client.Connect(pair)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return leave.Ask(ctx, conn, l.cfg.Bootstrap.NodeID())
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
