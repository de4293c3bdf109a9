package agent_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/agent"
	"github.com/meshwright/meshwright/internal/authn"
)

// herald is discovery's answer to pods that go: the test gives it.
type herald struct {
	asked  atomic.Int32
	answer chan error
}

// Withdrawn implements leave.Server.
// Heard implements leave.Server; agents do not ask it.
func (h *herald) Heard(context.Context, string) error { return errors.New("no agent asks that") }

func (h *herald) Withdrawn(ctx context.Context, node string) error {
	h.asked.Add(1)
	if _, err := (&authn.Peers{TrustDomain: trustDomain}).ByCertificate(ctx); err != nil {
		return err
	}
	if !strings.Contains(node, "~127.0.0.1~back-1.shop~") {
		return status.Errorf(codes.InvalidArgument, "node is %s", node)
	}
	select {
	case err := <-h.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hook is the question of a preStop hook: the proxy's own comes from within the
// pod, the others from the node.
func (r *running) hook(t *testing.T, host string) <-chan error {
	t.Helper()
	out := make(chan error, 1)
	go func() {
		_, err := get(t, "http://"+net.JoinHostPort(host, strconv.Itoa(r.cfg.Bootstrap.Ports.Status))+agent.DrainPath)
		out <- err
	}()
	return out
}

const within = "127.0.0.1"

// node is an address of this machine that is not within a pod.
func node(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback")
	return ""
}

// drains reports whether Envoy tells a caller that the connection is to end.
func (w *world) drains(t *testing.T, client *http.Client) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.inboundURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.Close
}

func TestContainersEndOnceTheirPodIsWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	r := w.start(t, nil)
	r.ready(t)
	client := w.keeping(t)
	hooks := []<-chan error{r.hook(t, node(t)), r.hook(t, within)}
	eventually(t, "discovery to be asked", func() error {
		if w.herald.asked.Load() == 0 {
			return errors.New("not asked")
		}
		return nil
	})
	if w.drains(t, client) {
		t.Error("Envoy drains although callers do not know yet")
	}
	for _, hook := range hooks {
		select {
		case err := <-hook:
			t.Fatalf("the hook ends with %v although callers do not know yet", err)
		default:
		}
	}
	w.herald.answer <- nil
	for _, hook := range hooks {
		if err := <-hook; err != nil {
			t.Error(err)
		}
	}
	if n := w.herald.asked.Load(); n != 1 {
		t.Errorf("discovery was asked %d times, want once", n)
	}
	if !w.drains(t, client) {
		t.Error("Envoy does not drain although callers know")
	}
	r.cancel()
	<-r.done
	if r.err != nil {
		t.Errorf("Run returns %v", r.err)
	}
}

func TestAPodThatStaysIsNotDrained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	r := w.start(t, nil)
	r.ready(t)
	client := w.keeping(t)
	for range 2 {
		hook := r.hook(t, node(t))
		w.herald.answer <- status.Error(codes.FailedPrecondition, "nobody deleted it")
		if err := <-hook; err != nil {
			t.Error(err)
		}
	}
	if w.drains(t, client) {
		t.Error("a stranger's question drains Envoy")
	}
	r.ready(t)
}

func TestAPodEndsWithoutDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	r := w.start(t, func(cfg *agent.Config) { cfg.Grace = 6 * time.Second })
	r.ready(t)
	w.server.Stop()
	if err := <-r.hook(t, within); err != nil {
		t.Error(err)
	}
	set, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	// Callers' proxies try another endpoint when they cannot connect.
	if _, _, err := w.call(t, w.client(t, set, front), "/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a caller that has not heard gets %v, want a refused connection", err)
	}
	r.cancel()
	<-r.done
	if r.err != nil {
		t.Errorf("Run returns %v", r.err)
	}
}
