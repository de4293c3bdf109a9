package xds

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

const (
	// maxStarting bounds how many proxies are brought up at once, and
	// startingFor how long one may take a place. One that comes back with what it
	// holds may need nothing at all: it takes its place for resumingFor.
	maxStarting = 64
	startingFor = 5 * time.Second
	resumingFor = 250 * time.Millisecond
	// maxRequest is what a first request of a large mesh may take: each name is
	// in it twice.
	maxRequest = 32 << 20
	// window is what a proxy may send ahead: enough for the first request of a large
	// mesh. A fixed one saves a ping and its answer for each acknowledgement, by
	// which gRPC would work out a better one.
	window = 1 << 20
	// Streams are closed after streamAge, so that replicas share the load again;
	// a proxy that comes back is sent only what differs.
	streamAge      = 30 * time.Minute
	streamAgeGrace = 10 * time.Second
	pingAfter      = 30 * time.Second
	pingTimeout    = 10 * time.Second
	minClientPing  = 10 * time.Second
)

// Engine builds what proxies are sent. Its methods may be called concurrently.
type Engine interface {
	// Ready is closed once proxies may be served.
	Ready() <-chan struct{}
	// Connect makes the stream of a proxy.
	Connect(mesh.Proxy) cache.Stream
	// Workload waits for a pod that is ready in the caller's sense; nil if ctx
	// ends first.
	Workload(ctx context.Context, pod mesh.Key, ready func(*mesh.Workload) bool) *mesh.Workload
	// Acknowledged waits until when holds and the proxies of that moment have
	// answered what they were sent of a type. It is an error if ctx ends first.
	Acknowledged(ctx context.Context, t resource.TypeURL, when func(mesh.Lookup) bool) error
	// Proxies is the sync state of those that are connected.
	Proxies(context.Context) []cache.ProxyState
}

// Callers proves who is calling.
type Callers interface {
	ByCertificate(context.Context) (authn.Caller, error)
}

// Config is what a server needs.
type Config struct {
	Engine Engine
	// Callers proves who is calling. nil is for the plaintext development
	// address only: then node metadata is believed.
	Callers Callers
	// Withdrawn reports whether a pod gets no new requests by what is stored.
	Withdrawn func(l mesh.Lookup, pod mesh.Key) bool
	// Self is who discovery is, to other discoveries of the mesh.
	Self spiffe.ID
	// Others waits until the proxies of the others have heard that a pod,
	// namespace/name, goes; nil where there are none.
	Others func(ctx context.Context, pod string) error
	// Elsewhere is who is sent away; nil for nobody.
	Elsewhere *Elsewhere
	Log       logr.Logger
}

// Server answers delta ADS. It may be used concurrently.
type Server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	cfg      Config
	starting chan struct{}
	closing  chan struct{}
	open     sync.Map // of Listener
	once     sync.Once
}

// Options are what a gRPC server that New's Server is registered at must be made
// with: without the codec it cannot write. Other services are not affected.
func Options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: pingAfter, Timeout: pingTimeout, MaxConnectionAge: streamAge, MaxConnectionAgeGrace: streamAgeGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
	}
}

// New returns a server.
func New(c Config) *Server {
	return &Server{cfg: c, starting: make(chan struct{}, maxStarting), closing: make(chan struct{})}
}

// Register adds the services to a gRPC server that was made with Options.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(r, s)
	leave.Register(r, s)
}

// Close ends all streams with Unavailable, so that GracefulStop does not wait
// for them: proxies go to another replica at once.
func (s *Server) Close() { s.once.Do(func() { close(s.closing) }) }

type deltaStream = discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer

// DeltaAggregatedResources serves one proxy until it goes, or the server does.
func (s *Server) DeltaAggregatedResources(st deltaStream) error {
	ctx := st.Context()
	select {
	case <-s.cfg.Engine.Ready():
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosing
	}
	var first request
	if err := st.RecvMsg(&first); err != nil {
		return ended(err)
	}
	proxy, err := s.identify(ctx, first.node)
	if err != nil {
		s.cfg.Log.Info("Refusing a proxy", "proxy", first.node.GetId(), "reason", err.Error())
		return err
	}
	if away, _ := s.cfg.Elsewhere.has(proxy.Revision); away {
		s.disconnect(ctx)
		return errElsewhere
	}
	hold := startingFor
	if len(first.Versions) > 0 {
		hold = resumingFor
	}
	release, err := s.admit(ctx, hold)
	if err != nil {
		return err
	}
	defer release()
	c := &connection{
		server: s, grpc: st, release: release, failed: make(chan error, 1),
		log: s.cfg.Log.WithValues("proxy", proxy.ID), stream: s.cfg.Engine.Connect(proxy), revision: proxy.Revision,
	}
	defer c.stream.Close()
	c.log.V(1).Info("Proxy connected")
	c.stream.Request(&first.Request)
	go c.read()
	err = c.write(ctx)
	c.log.V(1).Info("Proxy disconnected", "reason", status.Convert(err).Message())
	return err
}

var errClosing = status.Error(codes.Unavailable, "this replica is shutting down")

// admit takes a place among those that are brought up, for hold at most. Release
// may be called more than once.
func (s *Server) admit(ctx context.Context, hold time.Duration) (release func(), err error) {
	select {
	case s.starting <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closing:
		return nil, errClosing
	}
	var once sync.Once
	leave := func() { once.Do(func() { <-s.starting }) }
	timer := time.AfterFunc(hold, leave)
	return func() { timer.Stop(); leave() }, nil
}

// connection is one stream of gRPC and its stream of the engine.
type connection struct {
	server  *Server
	grpc    deltaStream
	stream  cache.Stream
	log     logr.Logger
	release func()
	failed  chan error
	// revision is the proxy's, "" if none is known.
	revision string
}

// read hands requests to the engine until the client goes.
func (c *connection) read() {
	for {
		var r request
		if err := c.grpc.RecvMsg(&r); err != nil {
			c.failed <- ended(err)
			return
		}
		c.stream.Request(&r.Request)
	}
}

// write waits for one of four things: a push of the engine, the end of the
// client, the end of the server, word that the client belongs elsewhere.
func (c *connection) write(ctx context.Context) error {
	for {
		away, changed := c.server.cfg.Elsewhere.has(c.revision)
		if away {
			c.server.disconnect(ctx)
			return errElsewhere
		}
		select {
		case <-changed:
		case p, ok := <-c.stream.Pushes():
			if !ok {
				return errClosing
			}
			if err := c.push(p); err != nil {
				return err
			}
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-c.server.closing:
			return errClosing
		}
	}
}

func (c *connection) push(p *cache.Push) error {
	for _, r := range p.Responses {
		if err := c.grpc.SendMsg(r); err != nil {
			return err
		}
		c.log.V(1).Info("Pushed", "typeURL", string(r.Type), "count", len(r.Resources), "removed", len(r.Removed), "nonce", r.Nonce)
		// With its last type a proxy is up.
		if r.Type == resource.VirtualHost {
			c.release()
		}
	}
	c.stream.Written()
	return nil
}

// ended is nil where a client closed its side in good order.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
