package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/server"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/ca/store"
	"github.com/meshwright/meshwright/internal/spiffe"
)

// identityOptions are what discovery's keeping of keys depends on; all but InScope are
// required.
type identityOptions struct {
	// TrustDomain and ClusterDomain are the mesh's.
	TrustDomain, ClusterDomain string
	// Namespace and ServiceAccount are discovery's own.
	Namespace, ServiceAccount string
	// Services are the names by which proxies dial it, in its namespace.
	Services []string
	// BundleNamespaces get the ConfigMap with the mesh's roots.
	BundleNamespaces []string
	// Life is that of an SVID.
	Life time.Duration
	// InScope says whose callers are answered; nil means all.
	InScope func(namespace string) bool
}

// discoveryServices are the names of discovery's certificate. The Services of
// retired revisions lead to the active one, and the proxies that those injected
// check the name that they dial: so all names of the mesh's namespace.
var discoveryServices = []string{"*"}

// identity is all of discovery that has to do with keys and callers. Wiring:
//
//	id, err := newIdentity(ctx, client, options)   // makes or reads the CA's Secret
//	s := id.grpcServer(log)                        // TLS, and the CSR service
//	…register the ADS server on s; it asks id.peers.ByCertificate(ctx) who calls…
//	go s.Serve(listener of :15012)
//	mux.Handle("/debug/…", id.debug.Protect(handler)) // on :15014
//	group.Go(func() error { return id.run(ctx) })  // Secret and ConfigMaps, every replica
type identity struct {
	options identityOptions
	self    spiffe.ID
	serving *rotate.Serving
	holder  *slot.Holder
	store   *store.Store
	peers   *authn.Peers
	debug   *authn.Debug
}

// newIdentity reads the mesh's authorities, which it makes first if nobody has.
// The client must not be cached, and should allow as many requests per second
// as proxies may start: each costs a TokenReview.
func newIdentity(ctx context.Context, client kubernetes.Interface, o identityOptions) (*identity, error) {
	id := &identity{
		options: o,
		self:    spiffe.ID{TrustDomain: o.TrustDomain, Namespace: o.Namespace, ServiceAccount: o.ServiceAccount},
		holder:  &slot.Holder{},
		store: store.New(store.Config{
			Client: client, Namespace: o.Namespace, BundleNamespaces: o.BundleNamespaces, TrustDomain: o.TrustDomain, Now: time.Now,
		}),
		peers: &authn.Peers{TrustDomain: o.TrustDomain, Tokens: authn.NewTokens(client, authn.AudienceCA), InScope: o.InScope},
		debug: authn.NewDebug(client),
	}
	set, err := id.store.Ensure(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up certificate authority: %w", err)
	}
	id.holder.Set(set)
	id.serving = rotate.NewServing(id.holder, ca.Request{
		ID: id.self, DNSNames: rotate.ServiceNames(o.Services, o.Namespace, o.ClusterDomain), Life: o.Life,
	}, time.Now)
	return id, nil
}

// run keeps authorities and published roots fresh until ctx ends.
func (id *identity) run(ctx context.Context) error { return id.store.Run(ctx, id.holder) }

// tls is that of the secured port.
func (id *identity) tls() *tls.Config {
	return authn.ServerTLS(id.serving.GetCertificate, func() (*x509.CertPool, error) {
		set, err := id.holder.Get()
		if err != nil {
			return nil, err
		}
		return set.Pool(), nil
	})
}

// calling is how one discovery connects to another, whose address it has.
func (id *identity) calling() (*tls.Config, error) {
	set, err := id.holder.Get()
	if err != nil {
		return nil, err
	}
	own, err := id.serving.GetCertificate(nil)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: set.Pool(), Certificates: []tls.Certificate{*own},
		ServerName: rotate.ServiceNames([]string{"discovery"}, id.options.Namespace, id.options.ClusterDomain)[0],
	}, nil
}

// grpcServer is the server of the secured port, with the CSR service on it.
func (id *identity) grpcServer(log logr.Logger, options ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append([]grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(id.tls())),
		// Proxies ping every 30 s; by default gRPC closes on whom it finds too eager.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 15 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second,
			// A stream does not live on for long with an SVID that has ended, and
			// proxies spread over replicas anew. Proxies resume with what they hold.
			MaxConnectionAge: 30 * time.Minute, MaxConnectionAgeGrace: 10 * time.Second,
		}),
	}, options...)...)
	server.Register(s, server.Config{Callers: id.peers, Authorities: id.holder, Life: id.options.Life, Now: time.Now, Log: log})
	return s
}
