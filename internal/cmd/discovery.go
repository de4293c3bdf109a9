package cmd

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/server"
	"github.com/meshwright/meshwright/internal/log"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/source"
	"github.com/meshwright/meshwright/internal/status"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/version"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
)

// discoveryFlags are those of meshwright discovery.
type discoveryFlags struct {
	kubeconfig       string
	meshConfig       string
	secureAddress    string
	plaintextAddress string
	httpAddress      string
	namespace        string
	verbosity        int
}

func discoveryCommand() *cobra.Command {
	var f discoveryFlags
	c := &cobra.Command{
		Use:   "discovery",
		Short: "Serve configuration and certificates to the mesh's proxies",
		Long: `Watches Kubernetes and Istio objects, translates them and pushes them to Envoy by
delta ADS on --secure-address, where it also signs certificates. Metrics,
/healthz, /readyz and /debug are on --http-address.

With --plaintext-xds-address it also serves ADS without TLS, on a loopback
address only, and believes what nodes say about themselves: for development and
tools, against a bare API server. Nothing is signed then unless
--secure-address is given too.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDiscovery(c.Context(), &f) },
	}
	s := c.Flags()
	s.StringVar(&f.kubeconfig, "kubeconfig", "", "file to connect with; none means from inside the cluster")
	s.StringVar(&f.meshConfig, "mesh-config", "", "what the whole mesh agrees on; none means the defaults")
	s.StringVar(&f.secureAddress, "secure-address", "", "address of ADS and certificates over TLS, as :15012")
	s.StringVar(&f.plaintextAddress, "plaintext-xds-address", "", "loopback address of ADS without TLS, as 127.0.0.1:15010")
	s.StringVar(&f.httpAddress, "http-address", "127.0.0.1:15014", "address of metrics, health and debug")
	s.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the mesh's own namespace (default $POD_NAMESPACE, or the root namespace)")
	s.IntVarP(&f.verbosity, "verbosity", "v", 0, "1 logs each proxy and push, 2 each resource")
	return c
}

// discovery is the process: what its parts share.
type discovery struct {
	flags  *discoveryFlags
	file   meshFile
	rest   *rest.Config
	client kubernetes.Interface
	engine *push.Engine
	source *source.Source
	status *status.Writer
	// elsewhere are revisions that have a discovery of their own again.
	elsewhere *xds.Elsewhere
	registry  *prometheus.Registry
	log       logr.Logger
}

func runDiscovery(ctx context.Context, f *discoveryFlags) error {
	d, err := newDiscovery(f)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	d.log.Info("Starting discovery", log.Version, version.String(), log.Revision, d.file.Revision)
	group.Go(func() error { return d.engine.Run(ctx) })
	group.Go(func() error { return d.source.Run(ctx) })
	group.Go(func() error {
		select {
		case <-d.engine.Ready():
			return d.status.Run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		select {
		case <-d.source.Synced():
			d.engine.Synced()
			d.log.Info("Synced with the API server")
		case <-ctx.Done():
		}
		return nil
	})
	if err := d.serve(ctx, group); err != nil {
		return err
	}
	return group.Wait()
}

func newDiscovery(f *discoveryFlags) (*discovery, error) {
	if f.secureAddress == "" && f.plaintextAddress == "" {
		return nil, fmt.Errorf("give --secure-address or --plaintext-xds-address")
	}
	d := &discovery{flags: f, registry: prometheus.NewRegistry(), elsewhere: &xds.Elsewhere{}, log: log.New(log.Options{Level: f.verbosity, JSON: f.kubeconfig == ""})}
	ctrl.SetLogger(d.log)
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if d.file, err = readMeshFile(f.meshConfig); err != nil {
		return nil, err
	}
	if f.namespace == "" {
		f.namespace = d.file.RootNamespace
	}
	if d.rest, err = clientcmd.BuildConfigFromFlags("", f.kubeconfig); err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// Each proxy that starts costs a TokenReview.
	d.rest.QPS, d.rest.Burst = 200, 400
	if d.client, err = kubernetes.NewForConfig(d.rest); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return d, d.connect()
}

// connect makes the line of data: source, store, engine, and the road back to
// the users' objects.
func (d *discovery) connect() error {
	host, _ := os.Hostname()
	var err error
	if d.status, err = status.New(status.Config{
		REST: d.rest, Namespace: d.flags.namespace, Identity: envOr("POD_NAME", fmt.Sprintf("%s-%d", host, os.Getpid())),
		Log: d.log.WithName("status"), Registry: d.registry,
	}); err != nil {
		return fmt.Errorf("make status writer: %w", err)
	}
	d.engine = push.New(push.Config{
		Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf,
		Types: translate.Types(), OnProblems: d.status.Derived, Drain: proxyDrain,
		Log: d.log.WithName("push"), Registry: d.registry,
	})
	d.engine.Apply([]mesh.Change{{Key: mesh.ConfigKey, Value: d.file.config()}})
	scope, err := d.file.scope()
	if err != nil {
		return err
	}
	d.source, err = source.New(source.Config{
		REST: d.rest, ClusterDomain: d.file.ClusterDomain, CredentialNamespaces: d.file.GatewayNamespaces, Scope: scope,
		Sink: source.SinkFunc(d.apply), Log: d.log.WithName("source"),
	})
	if err != nil {
		return fmt.Errorf("make source: %w", err)
	}
	return nil
}

// proxyDrain is how long a sidecar's listeners drain: a removed cluster stays
// that long.
const proxyDrain = 5 * time.Second

// apply hands what the source found to the engine, and what is wrong with it to
// the status writer.
func (d *discovery) apply(events []source.Event) {
	changes := make([]mesh.Change, 0, len(events))
	objects := make([]status.Object, 0, len(events))
	for _, e := range events {
		service, _ := e.Value.(*mesh.Service)
		if revision, own, ok := view.DiscoveryOf(d.flags.namespace, e.Key, service); ok && revision != d.file.Revision {
			d.elsewhere.Set(revision, own)
		}
		changes = append(changes, mesh.Change{Key: e.Key, Value: e.Value})
		objects = append(objects, status.Object{
			Key: e.Key, Gone: e.Gone, Generation: e.Generation, Problems: e.Problems, Conditions: e.Conditions,
		})
	}
	d.engine.Apply(changes)
	d.status.Observe(objects)
}

// identity makes the keeper of keys of the secured address.
func (d *discovery) identity(ctx context.Context) (*identity, error) {
	namespaces := d.file.RootNamespaces
	if len(namespaces) == 0 {
		namespaces = []string{d.flags.namespace}
	}
	id, err := newIdentity(ctx, d.client, identityOptions{
		TrustDomain: d.file.TrustDomain, ClusterDomain: d.file.ClusterDomain,
		Namespace: d.flags.namespace, ServiceAccount: envOr("SERVICE_ACCOUNT", "meshwright-discovery"),
		Services: discoveryServices, BundleNamespaces: namespaces, Life: server.DefaultLife,
		InScope: d.source.InScope,
	})
	if err != nil {
		return nil, err
	}
	return id, d.registry.Register(rotate.RootExpiry(id.holder))
}
