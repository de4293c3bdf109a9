package translate_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	envoyparts "github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

const (
	meshed = "istio-proxy"
	alone  = "app"
)

// loopback is a mesh whose pods are addresses of loopback that share a port.
func loopback(t *testing.T, port int, container, mode string) *meshtest.Mesh {
	t.Helper()
	text := strings.NewReplacer("PORT", strconv.Itoa(port), "CONTAINER", container, "ACCEPTS", mode).
		Replace(readFile(t, "testdata/loopback.yaml"))
	return meshtest.ReadText(t, text)
}

// pod says its address and what it was sent.
func pod(t *testing.T, ip string, port int) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s", ip, r.Proto, r.URL.Path, r.Header.Get("X-Forwarded-Client-Cert"))
	}))
	server.Listener.Close() //nolint:errcheck,gosec // ours takes its place
	server.Listener = listen(t, ip, port)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
}

// greeter is a server that speaks first.
func greeter(t *testing.T, ip string, port int) {
	t.Helper()
	l := listen(t, ip, port)
	t.Cleanup(func() { l.Close() }) //nolint:errcheck,gosec // the test is over
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // nothing is lost
				fmt.Fprintln(c, "hello from "+ip)
				io.Copy(c, c) //nolint:errcheck,gosec // until the client ends
			}()
		}
	}()
}

func listen(t *testing.T, ip string, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port))) //nolint:noctx // no name to look up
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// client runs the outbound half of front's proxy: each listener is bound to a
// port of loopback of its own, as if capture had restored its address. It calls
// from this address.
func client(t *testing.T, m *meshtest.Mesh, from string) *envoy.Proxy {
	t.Helper()
	resources := m.Resources(t, front)
	for _, c := range resources[resource.Cluster] {
		c.(*clusterv3.Cluster).UpstreamBindConfig = &corev3.BindConfig{SourceAddress: envoyparts.Address(from, 0).GetSocketAddress()}
	}
	delete(resources[resource.Listener], "virtualInbound")
	for _, l := range resources[resource.Listener] {
		onLoopback(l.(*listenerv3.Listener))
	}
	return envoy.Start(t, ads.Serve(t, resources, ads.NewSVID(t, "shop", "front")).Bootstrap("client"))
}

// inbound is a pod whose proxy has the address of the pod, and whose application
// answers on another port of it.
type inbound struct {
	pod     string
	at      *net.TCPAddr
	app     int
	account string // of its certificate
}

// server runs the inbound half of a pod's proxy.
func server(t *testing.T, m *meshtest.Mesh, in inbound) *envoy.Proxy {
	t.Helper()
	resources := m.Resources(t, mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: in.pod})
	for name, l := range resources[resource.Listener] {
		if name != "virtualInbound" && l.(*listenerv3.Listener).GetInternalListener() == nil {
			delete(resources[resource.Listener], name)
		}
	}
	capture := resources[resource.Listener]["virtualInbound"].(*listenerv3.Listener)
	capture.Address = envoyparts.Address(in.at.IP.String(), int32(in.at.Port))
	for _, c := range capture.GetFilterChains() {
		// Nothing was redirected here, so there is no original destination.
		c.Filters = append([]*listenerv3.Filter{envoyparts.KeepDestination()}, c.GetFilters()...)
	}
	for name, m := range resources[resource.Cluster] {
		if strings.HasPrefix(name, "inbound|") {
			// The proxy has the pod's port, so the application has another.
			m.(*clusterv3.Cluster).LbConfig = &clusterv3.Cluster_OriginalDstLbConfig_{
				OriginalDstLbConfig: &clusterv3.Cluster_OriginalDstLbConfig{UpstreamPortOverride: wrapperspb.UInt32(uint32(in.app))},
			}
		}
	}
	return envoy.Start(t, ads.Serve(t, resources, ads.NewSVID(t, "shop", in.account)).Bootstrap("server"))
}

// get asks an address for http://host/path and returns status and body. A status
// of 0 comes with an error's text.
func get(t *testing.T, address, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	return roundTrip(t, transport, url)
}

func roundTrip(t *testing.T, transport http.RoundTripper, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// greeting reads the first line that a server sends unasked. from is the
// client's address, "" any.
func greeting(t *testing.T, address, from string) (string, error) {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()                         //nolint:errcheck // only read
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck,gosec // it is open
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

func TestPlaintextTrafficFollowsTheRoutes(t *testing.T) {
	t.Parallel()
	port := freeport.Take(t)
	for _, ip := range []string{"127.0.1.10", "127.0.1.21", "127.0.1.22", "127.0.1.60"} {
		pod(t, ip, port)
	}
	greeter(t, "127.0.1.42", port)
	proxy := client(t, loopback(t, port, alone, "PERMISSIVE"), "127.0.1.10")
	at := proxy.Listeners(t)
	for name, tc := range map[string]struct {
		url    string
		status int
		body   string
	}{
		"a service by its short name":           {"http://front/x", 200, "127.0.1.10 HTTP/1.1 /x"},
		"a service by its full name and port":   {"http://front.shop.svc.cluster.local:8080/", 200, "127.0.1.10"},
		"a service by its address":              {"http://10.96.0.10:8080/", 200, "127.0.1.10"},
		"a path of a VirtualService, rewritten": {"http://back/admin/list", 200, "127.0.1.10 HTTP/1.1 /list"},
		"a subset":                              {"http://back:8080/v1", 200, "127.0.1.21"},
		"a destination that does not exist":     {"http://back/lost", 503, "no healthy upstream"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := get(t, at["0.0.0.0_8080"], tc.url)
			if status != tc.status || !strings.HasPrefix(body, tc.body) {
				t.Errorf("answer %d %q, want %d %q", status, body, tc.status, tc.body)
			}
		})
	}
	t.Run("weights", func(t *testing.T) {
		hits := map[string]int{}
		for range 300 {
			_, body := get(t, at["0.0.0.0_8080"], "http://back/")
			ip, _, _ := strings.Cut(body, " ")
			hits[ip]++
		}
		// 30 expected, standard deviation 5.2: outside of this once in a billion.
		if v2 := hits["127.0.1.22"]; v2 < 1 || v2 > 65 || hits["127.0.1.21"] != 300-v2 {
			t.Errorf("hits %v, want about 270 to v1 and 30 to v2", hits)
		}
	})
	t.Run("a server that speaks first", func(t *testing.T) {
		if line, err := greeting(t, at["10.96.0.42_3306"], ""); line != "hello from 127.0.1.42" {
			t.Errorf("greeting %q, %v", line, err)
		}
	})
	t.Run("a sniffed port", func(t *testing.T) {
		if status, body := get(t, at["10.96.0.60_9000"], "http://any.shop:9000/y"); status != 200 || !strings.HasPrefix(body, "127.0.1.60 HTTP/1.1 /y") {
			t.Errorf("answer %d %q", status, body)
		}
	})
}

func TestMutualTrafficCarriesTheIdentity(t *testing.T) {
	t.Parallel()
	const identity = "URI=spiffe://cluster.local/ns/shop/sa/front"
	for name, tc := range map[string]struct {
		pod, account, ip, listener, url string
	}{
		"HTTP":         {"back-v1", "back", "127.0.1.21", "0.0.0.0_8080", "http://back/v1"},
		"sniffed HTTP": {"any-0", "any", "127.0.1.60", "10.96.0.60_9000", "http://any/v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, app := freeport.Take(t), freeport.Take(t)
			pod(t, tc.ip, app)
			m := loopback(t, port, meshed, "STRICT")
			at := &net.TCPAddr{IP: net.ParseIP(tc.ip), Port: port}
			s := server(t, m, inbound{tc.pod, at, app, tc.account})
			c := client(t, m, "127.0.1.10")
			var status int
			var body string
			eventually(t, func() string {
				if status, body = get(t, c.Listeners(t)[tc.listener], tc.url); status != 200 {
					return fmt.Sprintf("answer %d %q\n%s", status, body, s.Log())
				}
				return ""
			})
			if !strings.Contains(body, "HTTP/1.1 /v1") || !strings.Contains(body, identity) {
				t.Errorf("the application saw %q, want %q", body, identity)
			}
			if status, body := get(t, at.String(), tc.url); status != 0 {
				t.Errorf("plaintext under STRICT is answered %d %q", status, body)
			}
		})
	}
}

// TestAnImpostorIsRefused puts a workload of the mesh where another is expected.
func TestAnImpostorIsRefused(t *testing.T) {
	t.Parallel()
	port, app := freeport.Take(t), freeport.Take(t)
	pod(t, "127.0.1.21", app)
	m := loopback(t, port, meshed, "PERMISSIVE")
	server(t, m, inbound{"back-v1", &net.TCPAddr{IP: net.ParseIP("127.0.1.21"), Port: port}, app, "db"})
	c := client(t, m, "127.0.1.10")
	if status, body := get(t, c.Listeners(t)["0.0.0.0_8080"], "http://back/v1"); status != 503 {
		t.Errorf("answer %d %q, want 503", status, body)
	}
	if failed := c.Stats(t, `outbound.8080.v1.back.*ssl.fail_verify_san$`); len(failed) != 1 {
		t.Errorf("no counter of names that do not fit: %v", failed)
	} else {
		for name, n := range failed {
			if n == 0 {
				t.Errorf("%s is 0: the refusal was for another reason", name)
			}
		}
	}
}

// TestServersThatSpeakFirst shows that MySQL and the like work whether the client
// is of the mesh or not, and known or not, with nothing to configure.
func TestServersThatSpeakFirst(t *testing.T) {
	t.Parallel()
	port, app := freeport.Take(t), freeport.Take(t)
	greeter(t, "127.0.1.42", app)
	m := loopback(t, port, meshed, "PERMISSIVE")
	at := &net.TCPAddr{IP: net.ParseIP("127.0.1.42"), Port: port}
	s := server(t, m, inbound{"db-0", at, app, "db"})
	// How many connections of each kind the server has counted.
	const handshakes, waited = `listener\..*ssl\.handshake$`, `downstream_pre_cx_timeout$`
	count := func(pattern string) (n int64) {
		for _, v := range s.Stats(t, pattern) {
			n += v
		}
		return n
	}
	for _, tc := range []struct {
		name, from         string
		mutual             bool
		handshakes, waited int64
	}{
		{name: "a pod outside the mesh", from: "127.0.1.70"},
		{name: "a stranger", from: "127.0.0.9", waited: 1},
		{name: "a pod of the mesh", from: "127.0.1.10", mutual: true, handshakes: 1},
		{name: "a pod of the mesh that is not known yet", from: "127.0.0.8", mutual: true, handshakes: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hands, waits := count(handshakes), count(waited)
			target, from := at.String(), tc.from
			if tc.mutual {
				target, from = client(t, m, tc.from).Listeners(t)["10.96.0.42_3306"], ""
			}
			if line, err := greeting(t, target, from); line != "hello from 127.0.1.42" {
				t.Errorf("greeting %q, %v\n%s", line, err, s.Log())
			}
			if hands, waits = count(handshakes)-hands, count(waited)-waits; hands != tc.handshakes || waits != tc.waited {
				t.Errorf("%d handshakes and %d waits, want %d and %d", hands, waits, tc.handshakes, tc.waited)
			}
		})
	}
}
