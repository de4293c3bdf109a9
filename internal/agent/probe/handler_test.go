package probe_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/meshwright/meshwright/internal/agent/probe"
)

// application answers like one that is probed: what it saw, or a status.
func application(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/sick":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/moved":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case "/slow":
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	default:
		_, _ = fmt.Fprintf(w, "%s host=%s token=%v from=%s", r.URL, r.Host, r.Header["X-Token"], r.RemoteAddr)
	}
}

// ports are those of an application of each kind, and one where nobody listens.
type ports struct{ http, https, grpc, closed string }

func listen(t *testing.T) ports {
	t.Helper()
	plain := httptest.NewServer(http.HandlerFunc(application))
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(application))
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	checks := health.NewServer()
	checks.SetServingStatus("sick", healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(server, checks)
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	none, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Close(); err != nil {
		t.Fatal(err)
	}
	port := func(a net.Addr) string { return fmt.Sprint(a.(*net.TCPAddr).Port) }
	return ports{port(plain.Listener.Addr()), port(secure.Listener.Addr()), port(lis.Addr()), port(none.Addr())}
}

const path = "/app-health/app/readyz"

func TestHandler(t *testing.T) {
	t.Parallel()
	p := listen(t)
	tests := map[string]struct {
		prober string
		code   int
		body   string // a part of it
	}{
		"HTTP, at the path":              {prober: `{"httpGet": {"path": "/ready?full=1", "port": ` + p.http + `}}`, code: 200, body: "/ready?full=1"},
		"HTTP, from where no rule looks": {prober: `{"httpGet": {"path": "/", "port": ` + p.http + `}}`, code: 200, body: "from=127.0.0.6:"},
		"HTTP, a path without a slash":   {prober: `{"httpGet": {"path": "ready", "port": ` + p.http + `}}`, code: 200, body: "/ready host"},
		"HTTP, with headers": {
			prober: `{"httpGet": {"path": "/", "port": ` + p.http + `, "httpHeaders": [{"name": "Host", "value": "shop.example"}, {"name": "X-Token", "value": "a"}, {"name": "X-Token", "value": "b"}]}}`,
			code:   200, body: "host=shop.example token=[a b]",
		},
		"HTTP, sick":            {prober: `{"httpGet": {"path": "/sick", "port": ` + p.http + `}}`, code: 503},
		"HTTP, a redirect":      {prober: `{"httpGet": {"path": "/moved", "port": ` + p.http + `}}`, code: 302},
		"HTTP, too slow":        {prober: `{"httpGet": {"path": "/slow", "port": ` + p.http + `}, "timeoutSeconds": 1}`, code: 500, body: "deadline"},
		"HTTP, nobody listens":  {prober: `{"httpGet": {"path": "/", "port": ` + p.closed + `}}`, code: 500, body: "refused"},
		"HTTPS, not verified":   {prober: `{"httpGet": {"path": "/ready", "port": ` + p.https + `, "scheme": "HTTPS"}}`, code: 200, body: "/ready"},
		"TCP":                   {prober: `{"tcpSocket": {"port": ` + p.http + `}}`, code: 200},
		"TCP, nobody listens":   {prober: `{"tcpSocket": {"port": ` + p.closed + `}}`, code: 500, body: "refused"},
		"gRPC":                  {prober: `{"grpc": {"port": ` + p.grpc + `, "service": ""}}`, code: 200},
		"gRPC, a sick service":  {prober: `{"grpc": {"port": ` + p.grpc + `, "service": "sick"}}`, code: 500, body: "NOT_SERVING"},
		"gRPC, unknown service": {prober: `{"grpc": {"port": ` + p.grpc + `, "service": "x"}}`, code: 500, body: "unknown service"},
		"gRPC, nobody listens":  {prober: `{"grpc": {"port": ` + p.closed + `}}`, code: 500, body: "refused"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			probers, err := probe.Parse(`{"` + path + `": ` + tc.prober + `}`)
			if err != nil {
				t.Fatal(err)
			}
			out := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.Header.Set("X-Token", "left on the probe by the injector")
			probe.NewHandler(probers, netip.MustParseAddr("127.0.0.1")).ServeHTTP(out, request)
			body, err := io.ReadAll(out.Body)
			if err != nil {
				t.Fatal(err)
			}
			if out.Code != tc.code || !strings.Contains(string(body), tc.body) {
				t.Errorf("answers %d %q, want %d and %q", out.Code, body, tc.code, tc.body)
			}
		})
	}
}

func TestHandlerKnowsOnlyWhatWasInjected(t *testing.T) {
	t.Parallel()
	out := httptest.NewRecorder()
	probe.NewHandler(nil, netip.MustParseAddr("127.0.0.1")).ServeHTTP(out, httptest.NewRequest(http.MethodGet, path, nil))
	if out.Code != http.StatusNotFound {
		t.Errorf("answers %d", out.Code)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, err string }{
		"nothing is none":   {},
		"an empty list":     {text: "{}"},
		"no JSON":           {text: "x", err: "read app probers"},
		"an empty prober":   {text: `{"/app-health/a/livez": {}}`, err: "/app-health/a/livez has no httpGet"},
		"null":              {text: `{"/app-health/a/livez": null}`, err: "is empty"},
		"a named port":      {text: `{"/app-health/a/livez": {"httpGet": {"port": "http"}}}`, err: `port "http" of /app-health/a/livez`},
		"no port":           {text: `{"/app-health/a/livez": {"tcpSocket": {}}}`, err: "not a number from 1 to 65535"},
		"a port that is no": {text: `{"/app-health/a/livez": {"grpc": {"port": 70000}}}`, err: "70000"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := probe.Parse(tc.text)
			if tc.err == "" && (err != nil || len(got) != 0) {
				t.Errorf("got %v, %v", got, err)
			}
			if tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want one with %q", err, tc.err)
			}
		})
	}
}
