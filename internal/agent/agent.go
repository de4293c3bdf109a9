package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/agent/envoy"
	"github.com/meshwright/meshwright/internal/agent/sds"
	"github.com/meshwright/meshwright/internal/agent/svid"
	"github.com/meshwright/meshwright/internal/spiffe"
)

const (
	// listenerDrain is how long connections of a listener or filter chain that
	// discovery replaced live on; Istio's default.
	listenerDrain = 45 * time.Second
	// stopGrace is how long Envoy may take to end when told.
	stopGrace = 2 * time.Second
)

// Config is all that an agent depends on; what is not said to be optional is
// required.
type Config struct {
	// Bootstrap but for SDSSocket, which Run sets.
	Bootstrap bootstrap.Config
	// EnvoyPath is the program.
	EnvoyPath string
	// EnvoyLogLevel is as Envoy names its levels.
	EnvoyLogLevel string
	// Dir is writable, for the bootstrap file and the socket.
	Dir string
	// TokenFile holds a ServiceAccount token for the CA's audience.
	TokenFile string
	// RootPEM and RootFile are where the mesh's roots come from before there is
	// a certificate; either may be empty, and the file need not exist.
	RootPEM, RootFile string
	// Grace is the pod's termination grace period, the deadline of its end; 0 is
	// Kubernetes' default.
	Grace time.Duration
	// Drain is the longest wait for connections to end at shutdown; 0 is the
	// role's default.
	Drain time.Duration
	// Probers and Scrape are the injector's, see packages probe and scrape;
	// optional.
	Probers, Scrape string
}

func (c *Config) grace() time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return defaultGrace
}

// drain is the role's default: a sidecar's application has ended already, a
// gateway's clients have not.
func (c *Config) drain() time.Duration {
	switch {
	case c.Drain > 0:
		return c.Drain
	case c.Bootstrap.Role == bootstrap.Router:
		return 20 * time.Second
	default:
		return 5 * time.Second
	}
}

// Run starts Envoy with its secrets and answers for it until ctx ends or a
// process in the pod asks it to quit; then it drains, ends Envoy and returns
// nil. If Envoy ends by itself, or a port or file cannot be had, it returns an
// error.
func Run(ctx context.Context, cfg Config) error {
	cfg.Bootstrap.SDSSocket = filepath.Join(cfg.Dir, "sds.sock")
	configPath := filepath.Join(cfg.Dir, "envoy.json")
	config, err := bootstrap.JSON(cfg.Bootstrap)
	if err != nil {
		return err
	}
	if err := os.WriteFile(configPath, config, 0o600); err != nil {
		return fmt.Errorf("write bootstrap: %w", err)
	}
	admin := envoy.NewAdmin(cfg.Bootstrap.Ports.Admin)
	// What serves Envoy must outlive ctx: Envoy drains after it has ended.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	leaving := &leaving{cfg: &cfg, admin: admin, life: base}
	status, err := newStatus(&cfg, admin, leaving)
	if err != nil {
		return err
	}
	group, base := errgroup.WithContext(base)
	if err := serve(base, group, leaving, status); err != nil {
		return err
	}
	process, err := envoy.Start(envoy.Options{
		Path: cfg.EnvoyPath, ConfigPath: configPath, LogLevel: cfg.EnvoyLogLevel,
		Concurrency: cfg.Bootstrap.Concurrency, DrainTime: listenerDrain, V6: cfg.Bootstrap.V6(),
	})
	if err != nil {
		return err
	}
	result := supervise(ctx, base, &shutdown{cfg: &cfg, admin: admin, status: status, process: process, leaving: leaving})
	cancel()
	return errors.Join(result, group.Wait())
}

// serve listens, and runs what answers, until ctx ends.
func serve(ctx context.Context, group *errgroup.Group, leaving *leaving, status *status) error {
	cfg := leaving.cfg
	secrets := sds.New()
	socket, err := sds.Listen(cfg.Bootstrap.SDSSocket)
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", ":"+strconv.Itoa(cfg.Bootstrap.Ports.Status)) //nolint:gosec,noctx // kubelet comes from outside
	if err != nil {
		_ = socket.Close()
		return fmt.Errorf("listen for kubelet: %w", err)
	}
	trust := &anchors{pem: cfg.RootPEM, mounted: cfg.RootFile, kept: filepath.Join(cfg.Dir, "roots.pem")}
	leaving.client = &svid.Client{
		Address:   cfg.Bootstrap.Discovery,
		ID:        spiffe.ID{TrustDomain: cfg.Bootstrap.TrustDomain, Namespace: cfg.Bootstrap.Namespace, ServiceAccount: cfg.Bootstrap.ServiceAccount},
		TokenFile: cfg.TokenFile,
		Anchors:   trust.all,
	}
	group.Go(func() error { return secrets.Run(ctx, socket) })
	group.Go(func() error { return status.run(ctx, lis) })
	group.Go(func() error {
		return svid.Keep(ctx, leaving.client.Fetch, func(id *svid.Identity) error {
			if err := trust.learn(id.Roots); err != nil {
				return err
			}
			leaving.identity.Store(id)
			return secrets.Set(cfg.Bootstrap.TrustDomain, id.Chain, id.Key, id.Roots)
		})
	})
	return nil
}

// supervise returns when Envoy has ended: by itself, which is an error, or
// because ctx ended, somebody asked, or a part of the agent failed (base).
func supervise(ctx, base context.Context, s *shutdown) error {
	log := logr.FromContextOrDiscard(ctx)
	select {
	// 1. Envoy ended.
	case <-s.process.Done():
		return fmt.Errorf("run Envoy: it ended by itself: %w", orExited(s.process.Err()))
	// 2. The pod is to end.
	case <-ctx.Done():
		log.Info("Draining", "reason", "signal")
		return s.run(base, true)
	// 3. A process of the pod says that it is done.
	case <-s.status.quit:
		log.Info("Draining", "reason", "quitquitquit")
		return s.run(base, false)
	// 4. Nobody answers for Envoy any more; the group has the error.
	case <-base.Done():
		return s.process.Stop(stopGrace)
	}
}

var errExited = errors.New("exit status 0")

func orExited(err error) error {
	if err == nil {
		return errExited
	}
	return err
}
