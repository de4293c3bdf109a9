package xds_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
	"github.com/meshwright/meshwright/internal/xds/cache"
	"github.com/meshwright/meshwright/internal/xds/report"
)

// patience ends a test that hangs; nothing waits for it otherwise.
const patience = 30 * time.Second

const nodeID = "sidecar~10.1.0.1~front-1.shop~shop.svc.cluster.local"

// callers proves everybody to be one ServiceAccount.
type callers struct{ id spiffe.ID }

func (c callers) ByCertificate(context.Context) (authn.Caller, error) {
	return authn.Caller{ID: c.id}, nil
}

type harness struct {
	engine *push.Engine
	server *xds.Server
	conn   *grpc.ClientConn
	ctx    context.Context
	// elsewhere are the revisions that are sent away.
	elsewhere *xds.Elsewhere
}

func start(t *testing.T, who xds.Callers) *harness {
	t.Helper()
	return startWith(t, xds.Config{Callers: who})
}

// startWith runs a server with an engine of its own.
func startWith(t *testing.T, c xds.Config) *harness {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	engine := push.New(push.Config{
		Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf, Types: translate.Types(),
		Strict: true, Log: logr.Discard(),
	})
	go func() { _ = engine.Run(ctx) }()
	elsewhere := &xds.Elsewhere{}
	c.Engine, c.Withdrawn, c.Elsewhere, c.Log = engine, view.Withdrawn, elsewhere, logr.Discard()
	server := xds.New(c)
	grpcServer := grpc.NewServer(xds.Options()...)
	server.Register(grpcServer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = grpcServer.Serve(server.Listener(listener)) }()
	t.Cleanup(grpcServer.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &harness{engine: engine, server: server, conn: conn, ctx: ctx, elsewhere: elsewhere}
}

func service(name string) mesh.Change {
	k := mesh.Key{Kind: mesh.KindService, Namespace: "shop", Name: name}
	return mesh.Change{Key: k, Value: &mesh.Service{
		Namespace: "shop", Name: name, Hostname: name + ".shop.svc.cluster.local", Addresses: []string{"10.96.0." + name[len(name)-1:]},
		Ports: []mesh.ServicePort{{Name: "http", Number: 8080, Protocol: mesh.ProtocolHTTP, TargetPort: 8080}},
	}}
}

func pod(account string) mesh.Change {
	k := mesh.Key{Kind: mesh.KindWorkload, Namespace: "shop", Name: "front-1"}
	return mesh.Change{Key: k, Value: &mesh.Workload{
		Namespace: "shop", Name: "front-1", IPs: []string{"10.1.0.1"}, ServiceAccount: account, Meshed: true,
	}}
}

func config() mesh.Change {
	return mesh.Change{Key: mesh.ConfigKey, Value: &mesh.Config{
		TrustDomain: "cluster.local", ClusterID: "c", ClusterDomain: "cluster.local", RootNamespace: "mesh-system",
		MTLS: mesh.MTLSPermissive, OutboundAllowAny: true,
	}}
}

func client(t *testing.T) *adsclient.Client {
	c := adsclient.New(&corev3.Node{Id: nodeID})
	c.Fault = t.Errorf
	return c
}

// open connects a client until the test ends.
func (h *harness) open(t *testing.T, c *adsclient.Client) *adsclient.Session {
	t.Helper()
	s, err := adsclient.Open(h.ctx, h.conn, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// until connects a client until it holds a name.
func (h *harness) until(t *testing.T, c *adsclient.Client, typ resource.TypeURL, name string) {
	t.Helper()
	s := h.open(t, c)
	if err := s.Await(h.ctx, func(c *adsclient.Client) bool { return c.Holds[typ][name].Body != nil }); err != nil {
		t.Fatalf("wait for %s: %v", name, err)
	}
	s.Close()
}

// end connects a client and returns why its stream ended.
func (h *harness) end(t *testing.T, c *adsclient.Client) error {
	t.Helper()
	return h.open(t, c).Await(h.ctx, func(*adsclient.Client) bool { return false })
}

func TestAProxyIsServedAndAfterAReconnectOnlyWhatDiffers(t *testing.T) {
	h := start(t, callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}})
	h.engine.Apply([]mesh.Change{config(), pod("front"), service("back-1")})
	h.engine.Synced()
	c := client(t)
	h.until(t, c, resource.VirtualHost, "8080/back-1.shop.svc.cluster.local:8080")
	if c.Holds[resource.Cluster]["outbound|8080||back-1.shop.svc.cluster.local"].Body == nil {
		t.Errorf("the cluster is missing; holds %v", c.Holds[resource.Cluster])
	}
	first := c.Received

	h.engine.Apply([]mesh.Change{service("back-2")})
	h.until(t, c, resource.Endpoints, "outbound|8080||back-2.shop.svc.cluster.local")
	if c.Holds[resource.VirtualHost]["8080/back-2.shop.svc.cluster.local:8080"].Body == nil {
		t.Error("the virtual host did not come with the cluster")
	}
	// A cluster, its assignment and a virtual host.
	if got := c.Received - first; got != 3 {
		t.Errorf("after the reconnect %d resources were sent, want 3 (at first %d)", got, first)
	}
}

// unread is a stream that must not be read from.
type unread struct {
	grpc.ServerStream
	ctx context.Context
	t   *testing.T
}

func (u unread) Context() context.Context                       { return u.ctx }
func (u unread) Send(*discoveryv3.DeltaDiscoveryResponse) error { return io.EOF }
func (u unread) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	u.t.Error("a proxy was listened to before Synced")
	return nil, io.EOF
}

func TestNobodyIsServedBeforeTheSourcesAreRead(t *testing.T) {
	h := start(t, nil)
	h.engine.Apply([]mesh.Change{config()})
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	if err := h.server.DeltaAggregatedResources(unread{ctx: ctx, t: t}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	h.engine.Synced()
	h.until(t, client(t), resource.Listener, "virtualOutbound")
}

func TestAProxyMayAskOnlyAsItself(t *testing.T) {
	front := spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}
	cases := map[string]struct {
		who  spiffe.ID
		node string
		pod  mesh.Change
		want codes.Code
	}{
		"another namespace is refused":       {spiffe.ID{Namespace: "evil", ServiceAccount: "front"}, nodeID, pod("front"), codes.PermissionDenied},
		"another ServiceAccount is refused":  {front, nodeID, pod("back"), codes.PermissionDenied},
		"a sidecar is not a gateway":         {front, strings.Replace(nodeID, "sidecar", "router", 1), pod("front"), codes.PermissionDenied},
		"a node id of another form is wrong": {front, "front", pod("front"), codes.InvalidArgument},
		"a type that is not known is wrong":  {front, strings.Replace(nodeID, "sidecar", "ztunnel", 1), pod("front"), codes.InvalidArgument},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := start(t, callers{c.who})
			h.engine.Apply([]mesh.Change{config(), c.pod})
			h.engine.Synced()
			err := h.end(t, adsclient.New(&corev3.Node{Id: c.node}))
			if status.Code(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAProxyWaitsForItsPod(t *testing.T) {
	h := start(t, callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}})
	h.engine.Apply([]mesh.Change{config()})
	h.engine.Synced()
	s := h.open(t, client(t))
	// The pod is known without its address first, as informers tell it.
	early := pod("front")
	early.Value = &mesh.Workload{Namespace: "shop", Name: "front-1", ServiceAccount: "front", Meshed: true}
	h.engine.Apply([]mesh.Change{early})
	h.engine.Apply([]mesh.Change{pod("front")})
	if err := s.Await(h.ctx, func(c *adsclient.Client) bool { return c.Responses > 0 }); err != nil {
		t.Errorf("after the pod is known: %v", err)
	}
}

func TestClosingSendsProxiesElsewhere(t *testing.T) {
	h := start(t, nil)
	h.engine.Apply([]mesh.Change{config()})
	h.engine.Synced()
	s := h.open(t, client(t))
	if err := s.Await(h.ctx, func(c *adsclient.Client) bool { return c.Responses > 0 }); err != nil {
		t.Fatal(err)
	}
	h.server.Close()
	err := s.Await(h.ctx, func(*adsclient.Client) bool { return false })
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
}

// eventually polls the state of the one proxy until it is as wanted.
func (h *harness) eventually(t *testing.T, wanted func(cache.ProxyState) bool) cache.ProxyState {
	t.Helper()
	for {
		states := h.engine.Proxies(h.ctx)
		if len(states) == 1 && wanted(states[0]) {
			return states[0]
		}
		if h.ctx.Err() != nil {
			t.Fatalf("never as wanted: %+v", states)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRefusedBytesAreReportedAndNotSentAgain(t *testing.T) {
	h := start(t, nil)
	h.engine.Apply([]mesh.Change{config(), service("back-1")})
	h.engine.Synced()
	const cluster = "outbound|8080||back-1.shop.svc.cluster.local"
	c := client(t)
	var refusals atomic.Int32
	c.Reject = func(typ resource.TypeURL, name string, _ adsclient.Resource) string {
		if typ == resource.Cluster && name == cluster && c.Holds[typ][name].Body != nil {
			refusals.Add(1)
			return "no such thing"
		}
		return ""
	}
	h.open(t, c)
	inSync := func(p cache.ProxyState) bool { return p.InSync && len(p.Types) == 5 }
	h.eventually(t, inSync)

	changed := service("back-1")
	changed.Value.(*mesh.Service).Ports[0].Protocol = mesh.ProtocolHTTP2
	h.engine.Apply([]mesh.Change{changed})
	p := h.eventually(t, func(p cache.ProxyState) bool { return len(p.Types) == 5 && len(p.Types[0].Rejected) == 1 })
	if got := p.Types[0].Rejected[0]; got.Name != cluster || !strings.Contains(got.Error, "no such thing") || p.InSync {
		t.Errorf("state %+v", p)
	}
	// Another change of the same mesh does not bring the refused bytes again,
	// and the old bytes end the matter.
	h.engine.Apply([]mesh.Change{service("back-2")})
	h.eventually(t, func(p cache.ProxyState) bool {
		return len(p.Types) == 5 && p.Types[1].Resources == 2 && p.Types[1].Unacked == 0
	})
	if n := refusals.Load(); n != 1 {
		t.Errorf("the refused bytes were sent %d times", n)
	}
	h.engine.Apply([]mesh.Change{service("back-1")})
	h.eventually(t, inSync)
}

func TestDebugShowsProxiesInSync(t *testing.T) {
	h := start(t, nil)
	h.engine.Apply([]mesh.Change{config(), service("back-1")})
	h.engine.Synced()
	c := client(t)
	h.open(t, c)
	h.eventually(t, func(p cache.ProxyState) bool { return p.InSync && len(p.Types) == 5 })
	w := httptest.NewRecorder()
	xds.DebugHandler(h.engine).ServeHTTP(w, httptest.NewRequestWithContext(h.ctx, "GET", report.Path, nil))
	var told report.Report
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Proxies) != 1 {
		t.Fatalf("report %s", w.Body)
	}
	if got := told.Proxies[0]; got.ID != nodeID || got.Namespace != "shop" || got.Pod != "front-1" || !got.InSync {
		t.Errorf("proxy %+v", got)
	}
}
