package translate_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/test/netpod"
)

// podNet is a pod whose requests are checked.
type podNet struct{ *netpod.Pod }

// captured runs a pod's proxy in its namespace behind the rules of capture.
func (p podNet) captured(t *testing.T, m *meshtest.Mesh, pod, account string) {
	t.Helper()
	folder := netpod.Folder(t)
	socket := filepath.Join(folder, "xds")
	server := ads.Serve(t, m.Resources(t, mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: pod}), ads.NewSVID(t, "shop", account))
	server.Unix(t, socket)
	p.Capture(t, folder, ads.Bootstrap(pod, socket, socket), true)
	if rejected := server.Rejected(); len(rejected) > 0 {
		t.Fatalf("Envoy rejects %q", rejected)
	}
}

// fetch is get from within the pod; address is what its application dials.
func (p podNet) fetch(t *testing.T, address, url string) (status int, body string) {
	t.Helper()
	p.Do(t, func() error {
		c, err := net.DialTimeout("tcp", address, patience) //nolint:noctx // bounded
		if err != nil {
			body = err.Error()
			return nil
		}
		status, body = over(t, c, url)
		return nil
	})
	return status, body
}

// hears is greeting from within the pod, and how long it took.
func (p podNet) hears(t *testing.T, address, from string) (line string) {
	t.Helper()
	p.Do(t, func() error {
		var err error
		if line, err = greeting(t, address, from); err != nil {
			line = err.Error()
		}
		return nil
	})
	return line
}

const captureWorld = `
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {clusterIP: 10.96.0.20, selector: {app: back}, ports: [{name: http, port: 80, targetPort: 8080}, {name: web, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.42, selector: {app: back}, ports: [{name: mysql, port: 3306}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, selector: {app: back}, ports: [{name: tcp, port: 7000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front-1, namespace: shop, labels: {app: front}}
spec: {serviceAccountName: front, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.9.0.10}
---
apiVersion: v1
kind: Pod
metadata: {name: back-1, namespace: shop, labels: {app: back}}
spec: {serviceAccountName: back, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.9.0.21}
---
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: legacy, labels: {app: old}}
spec: {serviceAccountName: default, containers: [{name: app}]}
status: {phase: Running, podIP: 10.9.0.70}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back-x, namespace: shop, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: web, port: 9000}]
endpoints: [{addresses: [10.9.0.21], targetRef: {kind: Pod, name: back-1}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: mysql, port: 3306}]
endpoints: [{addresses: [10.9.0.21], targetRef: {kind: Pod, name: back-1}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: peers-x, namespace: shop, labels: {kubernetes.io/service-name: peers}}
addressType: IPv4
ports: [{name: tcp, port: 7000}]
endpoints: [{addresses: [10.9.0.21], targetRef: {kind: Pod, name: back-1}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: MODE}}
`

// TestCapturedTraffic puts two pods of the mesh and one outside of it on a
// network, behind the real rules of capture.
func TestCapturedTraffic(t *testing.T) {
	t.Parallel()
	const identity = "URI=spiffe://cluster.local/ns/shop/sa/"
	for _, mode := range []string{"PERMISSIVE", "STRICT"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			nets := netpod.Network(t, "10.9.0.10", "10.9.0.21", "10.9.0.70")
			front, back, old := podNet{nets[0]}, podNet{nets[1]}, podNet{nets[2]}
			back.Do(t, func() error {
				for _, port := range []int{8080, 9000, 9999} {
					pod(t, "0.0.0.0", port)
				}
				greeter(t, "0.0.0.0", 3306)
				greeter(t, "0.0.0.0", 7000)
				return nil
			})
			old.Do(t, func() error {
				greeter(t, "0.0.0.0", 2525)
				return nil
			})
			old.AddAddress(t, "10.9.0.99")
			m := meshtest.ReadText(t, strings.Replace(captureWorld, "MODE", mode, 1))
			front.captured(t, m, "front-1", "front")
			back.captured(t, m, "back-1", "back")
			for name, tc := range map[string]struct {
				from         podNet
				dials, url   string
				want, strict string // parts of the answer; strict "" is as want
			}{
				"a service by HTTP":           {front, "10.96.0.20:80", "http://back/x", "/x", identity + "front"},
				"a service on a sniffed port": {front, "10.96.0.20:9000", "http://back:9000/x", identity + "front", ""},
				"itself":                      {back, "10.96.0.20:80", "http://back.shop/x", identity + "back", ""},
				"a pod's port of no service":  {old, "10.9.0.21:9999", "http://x/y", "/y", "refused"},
				"a client outside the mesh":   {old, "10.9.0.21:8080", "http://x/y", "HTTP/1.1 /y ", "refused"},
				"outside, on a sniffed port":  {old, "10.9.0.21:9000", "http://x/y", "HTTP/1.1 /y ", "refused"},
			} {
				t.Run(name, func(t *testing.T) {
					want := tc.want
					if mode == "STRICT" && tc.strict != "" {
						want = tc.strict
					}
					status, body := tc.from.fetch(t, tc.dials, tc.url)
					if status == 0 {
						body = "refused: " + body
					}
					if !strings.Contains(body, want) {
						t.Errorf("answer %d %q, want %q", status, body, want)
					}
				})
			}
			for name, tc := range map[string]struct {
				from      podNet
				dials, as string
				want      string
				onlyPlain bool
			}{
				"a server that speaks first":             {front, "10.96.0.42:3306", "", "hello from 0.0.0.0", false},
				"a pod of a headless service":            {front, "10.9.0.21:7000", "", "hello from 0.0.0.0", false},
				"a destination that nobody knows":        {front, "10.9.0.70:2525", "", "hello from 0.0.0.0", false},
				"a server that speaks first, outside":    {old, "10.9.0.21:3306", "", "hello from 0.0.0.0", true},
				"a server that speaks first, a stranger": {old, "10.9.0.21:3306", "10.9.0.99", "hello from 0.0.0.0", true},
			} {
				t.Run(name, func(t *testing.T) {
					got := tc.from.hears(t, tc.dials, tc.as)
					if refused := mode == "STRICT" && tc.onlyPlain; (got == tc.want) == refused {
						t.Errorf("hears %q, want %q unless refused (%v)", got, tc.want, refused)
					}
				})
			}
		})
	}
}

// over asks for a page over a connection.
func over(t *testing.T, c net.Conn, url string) (int, string) {
	t.Helper()
	defer c.Close()                         //nolint:errcheck // only read
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck,gosec // it is open
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	return roundTrip(t, transport, url)
}
