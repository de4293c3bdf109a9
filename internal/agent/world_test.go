package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/agent"
	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	caserver "github.com/meshwright/meshwright/internal/ca/server"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/assets"
	"github.com/meshwright/meshwright/internal/test/freeport"
)

const (
	trustDomain = "cluster.local"
	token       = "the-token"
	// patience bounds waits; the machine may be building at the same time.
	patience = time.Minute
)

var (
	back  = spiffe.ID{TrustDomain: trustDomain, Namespace: "shop", ServiceAccount: "back"}
	front = spiffe.ID{TrustDomain: trustDomain, Namespace: "shop", ServiceAccount: "front"}
)

// world is a control plane on loopback: the real CA and its TLS, an ADS server
// that wants an SVID and gives one inbound listener, and an application.
type world struct {
	holder  *slot.Holder
	address string // of discovery, localhost:port
	server  *grpc.Server
	app     *httptest.Server
	inbound int // the port of the mTLS listener
	// life is how long SVIDs live.
	life   time.Duration
	herald *herald
	// refusals is how many requests for a certificate fail first.
	refusals atomic.Int32
	// ads has the SVIDs that opened an ADS stream.
	mu  sync.Mutex
	ads []spiffe.ID
}

// ByTokenOrCertificate stands for the review of tokens, which authn tests with
// a real API server.
func (w *world) ByTokenOrCertificate(ctx context.Context) (authn.Caller, error) {
	if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) != 1 || got[0] != "Bearer "+token {
		return authn.Caller{}, status.Errorf(codes.Unauthenticated, "token is %q", got)
	}
	if w.refusals.Add(-1) >= 0 {
		return authn.Caller{}, status.Error(codes.Unavailable, "not yet")
	}
	return authn.Caller{ID: back}, nil
}

func newSet(t testing.TB) *slot.Set {
	t.Helper()
	root, err := ca.NewRoot(trustDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &slot.Set{Current: root}
}

func newWorld(t *testing.T, life time.Duration) *world {
	t.Helper()
	w := &world{holder: &slot.Holder{}, herald: &herald{answer: make(chan error)}, life: life, inbound: freeport.Take(t)}
	w.holder.Set(newSet(t))
	w.app = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			_, _ = io.WriteString(rw, "app_requests_total 7\n")
		case "/healthz":
			_, _ = io.WriteString(rw, "healthy")
		case "/slow":
			time.Sleep(time.Second)
		default:
			_, _ = io.WriteString(rw, "hello "+r.Header.Get("X-Forwarded-Client-Cert"))
		}
	}))
	t.Cleanup(w.app.Close)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = "localhost:" + strconv.Itoa(lis.Addr().(*net.TCPAddr).Port)
	w.serve(t, lis)
	return w
}

// serve answers CSRs and ADS on lis.
func (w *world) serve(t *testing.T, lis net.Listener) {
	t.Helper()
	discovery := spiffe.ID{TrustDomain: trustDomain, Namespace: "mesh-system", ServiceAccount: "meshwright-discovery"}
	serving := rotate.NewServing(w.holder, ca.Request{ID: discovery, DNSNames: []string{"localhost"}, Life: time.Hour}, time.Now)
	w.server = grpc.NewServer(grpc.Creds(credentials.NewTLS(authn.ServerTLS(serving.GetCertificate, w.pool))))
	caserver.Register(w.server, caserver.Config{Callers: w, Authorities: w.holder, Life: w.life, Now: time.Now, Log: logr.Discard()})
	leave.Register(w.server, w.herald)
	clusters, listeners := cachev3.NewLinearCache(resourcev3.ClusterType), cachev3.NewLinearCache(resourcev3.ListenerType)
	for cache, resource := range map[*cachev3.LinearCache]types.Resource{
		clusters:  parse(t, appCluster, &clusterv3.Cluster{}, w.app.Listener.Addr().(*net.TCPAddr).Port),
		listeners: parse(t, inboundListener, &listenerv3.Listener{}, w.inbound),
	} {
		if err := cache.UpdateResource(cachev3.GetResourceName(resource), resource); err != nil {
			t.Fatal(err)
		}
	}
	mux := &cachev3.MuxCache{
		Classify:      func(r *cachev3.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cachev3.DeltaRequest) string { return r.GetTypeUrl() },
		Caches:        map[string]cachev3.Cache{resourcev3.ClusterType: clusters, resourcev3.ListenerType: listeners},
	}
	peers := &authn.Peers{TrustDomain: trustDomain}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(w.server, serverv3.NewServer(t.Context(), mux, serverv3.CallbackFuncs{
		DeltaStreamOpenFunc: func(ctx context.Context, _ int64, _ string) error {
			caller, err := peers.ByCertificate(ctx)
			if err == nil {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.ads = append(w.ads, caller.ID)
			}
			return err
		},
	}))
	go func() { _ = w.server.Serve(lis) }()
	t.Cleanup(w.server.Stop)
}

func (w *world) pool() (*x509.CertPool, error) {
	set, err := w.holder.Get()
	if err != nil {
		return nil, err
	}
	return set.Pool(), nil
}

// callers are the SVIDs that opened ADS streams so far.
func (w *world) callers() []spiffe.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]spiffe.ID(nil), w.ads...)
}

func parse[M proto.Message](t *testing.T, text string, m M, args ...any) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(fmt.Sprintf(text, args...)), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// running is an agent with its Envoy.
type running struct {
	cfg    agent.Config
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done is closed
}

// start runs an agent until the test ends.
func (w *world) start(t *testing.T, change func(*agent.Config)) *running {
	t.Helper()
	dir := t.TempDir()
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{done: make(chan struct{}), cfg: agent.Config{
		Bootstrap: bootstrap.Config{
			Role: bootstrap.Sidecar, Pod: "back-1", Namespace: back.Namespace, ServiceAccount: back.ServiceAccount,
			Workload: "back", IP: "127.0.0.1", TrustDomain: trustDomain, ClusterID: "Kubernetes", ClusterDomain: "cluster.local",
			Labels: map[string]string{"app": "back"}, Discovery: w.address, Concurrency: 1,
			Ports: bootstrap.Ports{Admin: freeport.Take(t), Status: freeport.Take(t), Health: freeport.Take(t), Stats: freeport.Take(t)},
		},
		EnvoyPath: assets.Path(t, "envoy"), EnvoyLogLevel: "warning", Dir: dir, TokenFile: tokenFile, RootPEM: string(set.Bundle()),
	}}
	if change != nil {
		change(&r.cfg)
	}
	ctx, cancel := context.WithCancel(logr.NewContext(context.Background(), testr.New(t)))
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.err = agent.Run(ctx, r.cfg)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case w.herald.answer <- nil: // it may go at once
		case <-r.done:
		}
		<-r.done
	})
	return r
}

// ready waits until kubelet would see the proxy ready.
func (r *running) ready(t *testing.T) {
	t.Helper()
	eventually(t, "readiness", func() error {
		_, err := get(t, r.url(r.cfg.Bootstrap.Ports.Health, "/healthz/ready"))
		return err
	})
}

func (r *running) url(port int, path string) string {
	return "http://127.0.0.1:" + strconv.Itoa(port) + path
}

func eventually(t *testing.T, what string, done func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("wait for %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	return send(t, http.MethodGet, url)
}

func send(t *testing.T, method, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// client is a peer in the mesh with a certificate that the set signs, or
// without one for a nil set.
func (w *world) client(t *testing.T, set *slot.Set, id spiffe.ID) *http.Client {
	t.Helper()
	config := &tls.Config{
		// The name is not what counts in the mesh; verify looks at the SPIFFE ID.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return w.verify(s.PeerCertificates[0]) },
	}
	if set != nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := set.Current.Sign(ca.Request{PublicKey: key.Public(), ID: id, Life: time.Hour}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// keeping is a workload of the mesh that calls, and keeps its connections.
func (w *world) keeping(t *testing.T) *http.Client {
	t.Helper()
	set, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	c := w.client(t, set, front)
	c.Transport.(*http.Transport).DisableKeepAlives = false
	return c
}

func (w *world) verify(cert *x509.Certificate) error {
	pool, err := w.pool()
	if err != nil {
		return err
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		return err
	}
	if id, err := spiffe.FromCertificate(cert); err != nil || id != back {
		return fmt.Errorf("peer is %v, %w", id, errors.Join(err))
	}
	return nil
}

func (w *world) inboundURL() string { return "https://127.0.0.1:" + strconv.Itoa(w.inbound) + "/" }

// call asks the mTLS listener for a path; the result has the certificate that
// the proxy showed.
func (w *world) call(t *testing.T, client *http.Client, path string) (body string, shown *x509.Certificate, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(w.inbound)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return strings.TrimSpace(string(text)), resp.TLS.PeerCertificates[0], err
}
