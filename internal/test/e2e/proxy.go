package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Proxy is the admin port of a running Envoy, reached by port-forward until the
// test ends.
type Proxy struct {
	// Name is what was asked for, as deployment/front.
	Name string
	base string
}

// Proxy opens the Envoy of a Pod, or of one Pod of a workload.
func (c *Cluster) Proxy(t testing.TB, namespace, workload string) *Proxy {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, c.kubectl, "--kubeconfig", c.kubeconfig, "--namespace", namespace, "port-forward", workload, ":15000")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("forward to %s/%s: %q, %v", namespace, workload, line, err)
	}
	var port int
	if _, err := fmt.Sscanf(line, "Forwarding from 127.0.0.1:%d", &port); err != nil {
		t.Fatalf("forward to %s/%s: %q, %v", namespace, workload, line, err)
	}
	return &Proxy{Name: namespace + "/" + workload, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
}

// Get is an answer of the admin port.
func (p *Proxy) Get(t testing.TB, path string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("ask %s: %v", p.Name, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("ask %s for %s: %s, %v: %s", p.Name, path, response.Status, err, body)
	}
	return body
}

// Listener is what config_dump says of a dynamic one.
type Listener struct {
	Name    string
	Address struct {
		SocketAddress struct {
			Address   string
			PortValue int `json:"port_value"`
		} `json:"socket_address"`
	}
	BindToPort *bool `json:"bind_to_port"`
}

// Binds reports whether the listener has a socket, rather than connections
// handed over by another.
func (l *Listener) Binds() bool {
	return l.Address.SocketAddress.PortValue != 0 && (l.BindToPort == nil || *l.BindToPort)
}

// Listeners are the active dynamic ones, by name.
func (p *Proxy) Listeners(t testing.TB) map[string]Listener {
	t.Helper()
	out := map[string]Listener{}
	for _, config := range dump[struct {
		ActiveState struct{ Listener Listener } `json:"active_state"`
	}](t, p, "dynamic_listeners") {
		out[config.ActiveState.Listener.Name] = config.ActiveState.Listener
	}
	return out
}

// Clusters are the names of the active dynamic ones, sorted.
func (p *Proxy) Clusters(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, config := range dump[struct{ Cluster struct{ Name string } }](t, p, "dynamic_active_clusters") {
		out = append(out, config.Cluster.Name)
	}
	slices.Sort(out)
	return out
}

// Secrets are the names of the active dynamic ones, sorted.
func (p *Proxy) Secrets(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, config := range dump[struct{ Name string }](t, p, "dynamic_active_secrets") {
		out = append(out, config.Name)
	}
	slices.Sort(out)
	return out
}

func dump[T any](t testing.TB, p *Proxy, resource string) []T {
	t.Helper()
	var config struct{ Configs []T }
	if err := json.Unmarshal(p.Get(t, "/config_dump?resource="+resource), &config); err != nil {
		t.Fatalf("read config_dump of %s: %v", p.Name, err)
	}
	return config.Configs
}

// Stats are the counters and gauges whose names match a regular expression.
func (p *Proxy) Stats(t testing.TB, filter string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for line := range strings.Lines(string(p.Get(t, "/stats?filter="+filter))) {
		name, text, found := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.Atoi(text); found && err == nil {
			out[name] = n
		}
	}
	return out
}
