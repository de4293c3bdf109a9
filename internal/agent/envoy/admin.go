package envoy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Admin talks to Envoy's admin port. It may be used concurrently.
type Admin struct {
	base   string
	client *http.Client
	ready  atomic.Bool
}

// NewAdmin is for the admin port on loopback.
func NewAdmin(port int) *Admin {
	return &Admin{base: "http://127.0.0.1:" + strconv.Itoa(port), client: &http.Client{Timeout: 5 * time.Second}}
}

// What readiness looks at. The server is live when its state is 0; clusters and
// listeners have come once an update was taken up, even with parts refused.
const (
	statState    = "server.state"
	statWorkers  = "listener_manager.workers_started"
	statClusters = "cluster_manager.cds.update_success"
	statListen   = "listener_manager.lds.update_success"
)

// Ready is nil when Envoy serves what discovery sent it at least once; else the
// error says what it waits for. Once ready, only Envoy's own state counts:
// discovery may go away.
func (a *Admin) Ready(ctx context.Context) error {
	stats, err := a.stats(ctx, "^(server\\.state|listener_manager\\.workers_started|cluster_manager\\.cds\\.update_success|listener_manager\\.lds\\.update_success)$")
	if err != nil {
		return err
	}
	if state, ok := stats[statState]; !ok || state != 0 {
		return fmt.Errorf("wait for Envoy to be live: its state is %d", state)
	}
	if a.ready.Load() {
		return nil
	}
	for _, want := range []struct{ stat, what string }{
		{statClusters, "clusters from discovery"}, {statListen, "listeners from discovery"}, {statWorkers, "Envoy's workers"},
	} {
		if stats[want.stat] == 0 {
			return errors.New("wait for " + want.what)
		}
	}
	a.ready.Store(true)
	return nil
}

// Drain tells connections to go, new ones being taken meanwhile: those of
// inbound listeners, or of all.
func (a *Admin) Drain(ctx context.Context, inboundOnly bool) error {
	path := "/drain_listeners?graceful"
	if inboundOnly {
		path += "&inboundonly"
	}
	return a.post(ctx, path)
}

// Close takes no new inbound connections, and tells those there are to go.
func (a *Admin) Close(ctx context.Context) error {
	return a.post(ctx, "/drain_listeners?inboundonly")
}

func (a *Admin) post(ctx context.Context, path string) error {
	body, err := a.do(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	return body.Close()
}

// Connections is how many downstream connections are open on the mesh's
// listeners. The admin port's own, and those of health and statistics, whose
// listeners end in the given ports, do not count.
func (a *Admin) Connections(ctx context.Context, without ...int) (int, error) {
	stats, err := a.stats(ctx, "^listener\\..*\\.downstream_cx_active$")
	if err != nil {
		return 0, err
	}
	total := 0
	for name, value := range stats {
		if !isOwn(name, without) {
			total += value
		}
	}
	return total, nil
}

// Requests is how many inbound requests and streams are under way.
func (a *Admin) Requests(ctx context.Context) (int, error) {
	stats, err := a.stats(ctx, "^http\\.inbound_.*\\.downstream_rq_active$")
	if err != nil {
		return 0, err
	}
	total := 0
	for _, value := range stats {
		total += value
	}
	return total, nil
}

// isOwn also leaves out the per-worker copies: listener.ADDRESS.worker_0.….
func isOwn(stat string, ports []int) bool {
	address := strings.TrimSuffix(strings.TrimPrefix(stat, "listener."), ".downstream_cx_active")
	if address == "admin" || strings.HasPrefix(address, "admin.") || strings.Contains(address, ".worker_") {
		return true
	}
	for _, port := range ports {
		if strings.HasSuffix(address, "_"+strconv.Itoa(port)) {
			return true
		}
	}
	return false
}

// Metrics are Envoy's in Prometheus form, without those never touched; the
// caller closes them.
func (a *Admin) Metrics(ctx context.Context) (io.ReadCloser, error) {
	return a.do(ctx, http.MethodGet, "/stats/prometheus?usedonly")
}

// stats are counters and gauges whose names match, a regular expression.
func (a *Admin) stats(ctx context.Context, filter string) (map[string]int, error) {
	body, err := a.do(ctx, http.MethodGet, "/stats?filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	out := map[string]int{}
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), ": ")
		if value, err := strconv.Atoi(text); err == nil {
			out[name] = value
		}
	}
	return out, lines.Err()
}

func (a *Admin) do(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy: %w", err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("ask Envoy for %s: %s", path, resp.Status)
	}
	return resp.Body, nil
}
