package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/envoy"
	"github.com/meshwright/meshwright/internal/agent/probe"
	"github.com/meshwright/meshwright/internal/agent/scrape"
)

// status is the agent's HTTP port, 15020: readiness, the application's probes,
// metrics, leaving and quitting.
type status struct {
	handler  http.Handler
	admin    *envoy.Admin
	draining atomic.Bool
	quit     chan struct{} // closed when somebody asks
	once     sync.Once
}

func newStatus(cfg *Config, admin *envoy.Admin, leaving *leaving) (*status, error) {
	b := &cfg.Bootstrap
	ip, err := netip.ParseAddr(b.IP)
	if err != nil {
		return nil, fmt.Errorf("read pod address: %w", err)
	}
	probers, err := probe.Parse(cfg.Probers)
	if err != nil {
		return nil, err
	}
	application, err := scrape.Application(cfg.Scrape, b.Annotations, b.Ports.Status, b.Ports.Health, b.Ports.Stats, b.Ports.Admin)
	if err != nil {
		return nil, err
	}
	s := &status{admin: admin, quit: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+bootstrap.ReadyPath, s.ready)
	mux.Handle("GET "+bootstrap.StatsPath, scrape.NewHandler(admin, application))
	mux.Handle("GET /app-health/", probe.NewHandler(probers, ip))
	mux.Handle("GET "+DrainPath, leaving)
	mux.HandleFunc("POST /quitquitquit", s.quitNow)
	s.handler = mux
	return s, nil
}

func (s *status) ready(w http.ResponseWriter, r *http.Request) {
	err := s.admin.Ready(r.Context())
	if s.draining.Load() {
		err = errors.New("draining")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// quitNow is for Jobs whose main container ends; nobody outside the pod may.
func (s *status) quitNow(w http.ResponseWriter, r *http.Request) {
	if !withinPod(r) {
		http.Error(w, "only from within the pod", http.StatusForbidden)
		return
	}
	s.once.Do(func() { close(s.quit) })
}

func withinPod(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// run serves until ctx ends, and returns nil then. It closes lis.
func (s *status) run(ctx context.Context, lis net.Listener) error {
	log := logr.FromContextOrDiscard(ctx)
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return logr.NewContext(context.Background(), log) },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(lis); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve kubelet: %w", err)
	}
	return nil
}
