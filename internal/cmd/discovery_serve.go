package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/log"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
	"github.com/meshwright/meshwright/internal/xds/report"
)

// goodbye is how long streams and requests may take to end at shutdown.
const goodbye = 5 * time.Second

// serve opens the addresses and lets the group run what stands behind them. It
// returns once all listen.
func (d *discovery) serve(ctx context.Context, group *errgroup.Group) error {
	debug := authn.NewDebug(d.client)
	if d.flags.secureAddress != "" {
		id, err := d.identity(ctx)
		if err != nil {
			return err
		}
		group.Go(func() error { return id.run(ctx) })
		others := &leave.Others{Addresses: d.others, TLS: id.calling, Log: d.log.WithName("leave")}
		ads := xds.New(xds.Config{
			Engine: d.engine, Callers: id.peers, Withdrawn: view.Withdrawn,
			Self: id.self, Others: others.Ask, Elsewhere: d.elsewhere, Log: d.log.WithName("xds"),
		})
		s := id.grpcServer(d.log.WithName("ca"), xds.Options()...)
		if err := d.serveADS(ctx, group, d.flags.secureAddress, s, ads); err != nil {
			return err
		}
	}
	if d.flags.plaintextAddress != "" {
		if err := onlyLoopback(d.flags.plaintextAddress); err != nil {
			return err
		}
		ads := xds.New(xds.Config{Engine: d.engine, Withdrawn: view.Withdrawn, Log: d.log.WithName("xds")})
		if err := d.serveADS(ctx, group, d.flags.plaintextAddress, grpc.NewServer(xds.Options()...), ads); err != nil {
			return err
		}
	}
	return d.serveHTTP(ctx, group, debug)
}

// others are the addresses of the mesh's other discoveries, of all revisions.
// All listen on one port.
func (d *discovery) others(ctx context.Context) []string {
	_, port, _ := net.SplitHostPort(d.flags.secureAddress)
	var out []string
	looked := d.engine.Look(ctx, func(l mesh.Lookup) {
		for _, w := range view.Discoveries(l, d.flags.namespace, d.file.Install) {
			if w.Name != os.Getenv("POD_NAME") {
				out = append(out, net.JoinHostPort(w.IPs[0], port))
			}
		}
	})
	if !looked {
		return nil
	}
	return out
}

func (d *discovery) serveADS(ctx context.Context, group *errgroup.Group, address string, s *grpc.Server, ads *xds.Server) error {
	ads.Register(s)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for proxies: %w", err)
	}
	d.log.Info("Serving proxies", log.Address, listener.Addr().String())
	context.AfterFunc(ctx, func() {
		ads.Close()
		stop := time.AfterFunc(goodbye, s.Stop)
		defer stop.Stop()
		s.GracefulStop()
	})
	group.Go(func() error {
		if err := s.Serve(ads.Listener(listener)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return fmt.Errorf("serve proxies: %w", err)
		}
		return nil
	})
	return nil
}

func (d *discovery) serveHTTP(ctx context.Context, group *errgroup.Group, debug *authn.Debug) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", d.ready)
	proxies := xds.DebugHandler(d.engine)
	if d.flags.secureAddress != "" {
		proxies = debug.Protect(proxies)
	} else if err := onlyLoopback(d.flags.httpAddress); err != nil {
		return err
	}
	mux.Handle("GET "+report.Path, proxies)
	listener, err := net.Listen("tcp", d.flags.httpAddress)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		_ = srv.Shutdown(end)
	})
	group.Go(func() error {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	return nil
}

// ready is 200 once proxies may be served, else 503 and what is missing.
func (d *discovery) ready(w http.ResponseWriter, _ *http.Request) {
	if err := d.source.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	select {
	case <-d.engine.Ready():
		fmt.Fprintln(w, "ok")
	default:
		http.Error(w, "the first turn is not over", http.StatusServiceUnavailable)
	}
}

// onlyLoopback is an error unless the address is of this machine alone: what is
// served there believes everybody.
func onlyLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is served without authentication: give a loopback address, as 127.0.0.1:15010", address)
	}
	return nil
}
