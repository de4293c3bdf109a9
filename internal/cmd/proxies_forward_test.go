package cmd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/kubernetes"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/meshwright/meshwright/internal/test/freeport"
)

// forwards is as much of a kubelet as port-forward needs: it joins each stream
// for the debug port to an address. Other ports are refused.
type forwards struct {
	address string
	// streams counts the connections that were joined.
	streams atomic.Int32
}

// ServeHTTP serves /portForward/<namespace>/<pod>, as a kubelet does.
func (f *forwards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardV1Name}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				_ = s.Close()
			} else {
				go f.join(s)
			}
		case <-conn.CloseChan():
			return
		}
	}
}

func (f *forwards) join(s httpstream.Stream) {
	defer func() { _ = s.Reset() }()
	if s.Headers().Get(corev1.PortHeader) != fmt.Sprint(debugPort) {
		return
	}
	to, err := net.Dial("tcp", f.address)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	f.streams.Add(1)
	go func() { _, _ = io.Copy(to, s) }()
	_, _ = io.Copy(s, to)
}

// kubelet serves the forwards and makes a node of it.
func (c *cluster) kubelet(t *testing.T, node string, f *forwards) {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	// SPDY does not go over HTTP/2.
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	t.Cleanup(server.Close)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	nodes := kubernetes.NewForConfigOrDie(c.Config).CoreV1().Nodes()
	n, err := nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	if _, err := nodes.UpdateStatus(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestProxiesReachesDiscoveryThroughTheAPIServer runs the whole command against
// a real API server, which forwards to a kubelet of the test's.
func TestProxiesReachesDiscoveryThroughTheAPIServer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mesh-system", "shop")
	shipDebugRights(t, c)
	d := c.discover(t, "--secure-address", freeport.Address(t), "--namespace", "mesh-system")
	e := newEnvoy(t, frontNode)
	e.connect(t, d)
	f := &forwards{address: d.http}
	c.kubelet(t, "one", f)
	c.apply(t, strings.ReplaceAll(discoveryPod("discovery-1", "True"), "spec: {", "spec: {nodeName: one, "))
	eventually(t, func() string {
		out, err := runCommand(t, "proxies", "--kubeconfig", c.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		if row := strings.Join(strings.Fields(out), " "); !strings.Contains(row, "front-1 shop sidecar SYNCED SYNCED - SYNCED - demo-1 ") {
			return out
		}
		return ""
	})
	if f.streams.Load() == 0 {
		t.Error("nothing went through the kubelet")
	}
	d.stop()
	out, err := runCommand(t, "proxies", "--kubeconfig", c.Kubeconfig)
	if out != "" || ExitCode(err) != 1 || !strings.Contains(err.Error(), "pod mesh-system/discovery-1: ") {
		t.Errorf("with discovery gone: %q, %v; want exit code 1 and the pod", out, err)
	}
}
