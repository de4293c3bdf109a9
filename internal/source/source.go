package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Config is what a Source needs.
type Config struct {
	// REST says how to reach the API server.
	REST *rest.Config
	// ClusterDomain is the cluster's DNS suffix, as cluster.local.
	ClusterDomain string
	// CredentialNamespaces are the namespaces whose TLS Secrets are read: those
	// of gateways.
	CredentialNamespaces []string
	// Scope says of which namespaces anything is handed on.
	Scope Scope
	// Sink takes the events.
	Sink Sink
	Log  logr.Logger
}

// Source watches Kubernetes and hands mesh values to its sink. Run it once.
type Source struct {
	// Set by New and read-only afterwards.
	config    Config
	log       logr.Logger
	queue     *queue
	fence     *fence
	builtins  []builtin
	discovery discovery.DiscoveryInterface
	dynamic   dynamic.Interface
	metadata  metadata.Interface

	group sync.WaitGroup
}

// New makes a Source; nothing is read before Run.
func New(config Config) (*Source, error) {
	config.REST = rest.CopyConfig(config.REST)
	// The API server's own fairness limits us; the client's would only delay the
	// first lists.
	config.REST.QPS = -1
	client, err := clientset(config.REST)
	if err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	metadataClient, err := metadata.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	namespaces := slices.Compact(slices.Sorted(slices.Values(config.CredentialNamespaces)))
	s := &Source{
		config: config, log: config.Log, builtins: builtins(client, namespaces),
		discovery: client.Discovery(), dynamic: dynamicClient, metadata: metadataClient,
	}
	waitFor := []string{crdFeed}
	for _, b := range s.builtins {
		waitFor = append(waitFor, b.name)
	}
	if len(config.Scope.Selectors) > 0 {
		waitFor = append(waitFor, namespaceFeed)
	}
	s.queue = newQueue(waitFor...)
	s.fence = newFence(config.Scope, s.queue)
	return s, nil
}

// Run watches until ctx ends. It returns nil then; it never gives up by itself.
func (s *Source) Run(ctx context.Context) error {
	// client-go logs by what the context brings.
	ctx = logr.NewContext(ctx, s.log)
	s.runFence(ctx)
	s.runBuiltins(ctx)
	s.group.Go(func() { s.runIstio(ctx) })
	s.queue.run(ctx, s.config.Sink)
	s.group.Wait()
	return nil
}

// Synced is closed when the sink has taken the first batch.
func (s *Source) Synced() <-chan struct{} { return s.queue.synced }

// Ready is nil when Synced is closed; else it names the kinds whose first list
// is not in. It has the form of a readiness check.
func (s *Source) Ready() error {
	select {
	case <-s.queue.synced:
		return nil
	default:
	}
	if missing := s.queue.missing(); len(missing) > 0 {
		return fmt.Errorf("first lists are missing: %v", missing)
	}
	return errors.New("first batch is being applied")
}
