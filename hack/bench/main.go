package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// options are what a run is told.
type options struct {
	size       size
	server     string
	binary     string
	address    string
	pid        int
	kubeconfig string
	loaded     bool
	iterations int
	quiet      time.Duration
	churn      time.Duration
	output     string
	verbose    bool
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a discovery server costs for each kind of change",
		Long: `Makes a mesh of the given size, connects simulated sidecars to a discovery server
that serves it, makes changes one after the other and prints what each cost.

The server is one of
  discovery  meshwright discovery, with an API server of its own (needs make assets-test)
  engine     ingest, engine and ADS alone, told of changes through a pipe
  given      one that runs: --address, --pid and the --kubeconfig of its API server,
             into which the mesh is written (unless --loaded) and stays`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	f := c.Flags()
	f.IntVar(&o.size.Services, "services", 200, "services in all")
	f.IntVar(&o.size.TCP, "tcp", 20, "of them, those that are TCP")
	f.IntVar(&o.size.Endpoints, "endpoints", 2, "endpoints of each service, besides sidecars")
	f.IntVar(&o.size.Namespaces, "namespaces", 20, "namespaces of the services")
	f.IntVar(&o.size.VirtualServices, "virtualservices", 20, "services with a VirtualService")
	f.IntVar(&o.size.Sidecars, "sidecars", 40, "simulated proxies")
	f.IntVar(&o.size.SidecarNamespaces, "sidecar-namespaces", 10, "namespaces of the proxies")
	f.Uint64Var(&o.size.Seed, "seed", 1, "which mesh of that size")
	f.StringVar(&o.server, "server", "discovery", "discovery, engine or given")
	f.StringVar(&o.binary, "binary", "bin/meshwright", "the program to run for --server=discovery")
	f.StringVar(&o.address, "address", "", "where the given server answers delta ADS in plaintext")
	f.IntVar(&o.pid, "pid", 0, "process id of the given server")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "API server of the given server")
	f.BoolVar(&o.loaded, "loaded", false, "the given API server has this mesh already")
	f.IntVar(&o.iterations, "iterations", 5, "how often each kind of change is made")
	f.DurationVar(&o.quiet, "quiet", 400*time.Millisecond, "silence after which a change is over; longer for a server that waits")
	f.DurationVar(&o.churn, "churn", 0, "how long 20, then 200 endpoints change in a second; 0 leaves it out")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what the server says")
	c.AddCommand(scaleCommand(), &cobra.Command{
		Use: serveCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), os.Stdin, os.Stdout) },
	})
	return c
}

// run measures and prints. Progress goes to diagnostics.
func (o *options) run(ctx context.Context, out, diagnostics io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	start := time.Now()
	m := generate(o.size)
	t, err := o.target(ctx, diagnostics, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	b := &bench{target: t, mesh: m, fleet: newFleet(t.address, m), iterations: o.iterations, quiet: o.quiet, churnFor: o.churn, progress: diagnostics}
	defer func() { err = errors.Join(err, b.fleet.disconnect()) }()
	fmt.Fprintf(diagnostics, "the server is up after %s\n", time.Since(start).Round(100*time.Millisecond))
	if err := b.run(ctx); err != nil {
		return err
	}
	r := newReport(b, time.Since(start))
	if o.output == "json" {
		return r.writeJSON(out)
	}
	return r.writeTable(out)
}

func (o *options) check() error {
	switch {
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("--output is table or json, not %q", o.output)
	case o.iterations < 1:
		return fmt.Errorf("--iterations is %d, want 1 or more", o.iterations)
	case o.quiet <= 0 || o.quiet >= idleFor:
		return fmt.Errorf("--quiet is %s, want more than 0 and less than %s", o.quiet, idleFor)
	case o.server == "given" && (o.address == "" || o.pid == 0 || o.kubeconfig == ""):
		return errors.New("--server=given needs --address, --pid and --kubeconfig")
	}
	return o.size.check()
}

// target starts or finds the server, with the mesh in it.
func (o *options) target(ctx context.Context, diagnostics io.Writer, m *meshOf) (*target, error) {
	var log io.Writer
	if o.verbose {
		log = diagnostics
	}
	switch o.server {
	case "engine":
		return engineTarget(ctx, log, m)
	case "discovery":
		return discovery(ctx, log, o.binary, m)
	case "given":
		t, err := given(o.kubeconfig, o.address, o.pid)
		if err != nil {
			return nil, err
		}
		if !o.loaded {
			if err := t.load(ctx, m.objects()); err != nil {
				return nil, err
			}
		}
		return t, awaitRest(ctx, t.address, t.server, func() error { return nil })
	default:
		return nil, fmt.Errorf("--server is discovery, engine or given, not %q", o.server)
	}
}
