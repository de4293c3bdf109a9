package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// ConfigDump is the answer of /config_dump?include_eds in JSON. A resource name
// such as "dynamic_listeners" narrows it, see Envoy's admin documentation; ""
// is everything.
func (p *Proxy) ConfigDump(t testing.TB, resource string) []byte {
	t.Helper()
	path := "/config_dump?include_eds"
	if resource != "" {
		path += "&resource=" + url.QueryEscape(resource)
	}
	return p.Get(t, path)
}

// Stats are the counters and gauges whose names match a regular expression.
// One that Envoy has not created yet is absent.
func (p *Proxy) Stats(t testing.TB, pattern string) map[string]int64 {
	t.Helper()
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"` // absent in the list's histograms
		} `json:"stats"`
	}
	p.decode(t, "/stats?format=json&filter="+url.QueryEscape(pattern), &answer)
	stats := map[string]int64{}
	for _, stat := range answer.Stats {
		var value int64
		if stat.Name != "" && json.Unmarshal(stat.Value, &value) == nil { // a text readout is not a number
			stats[stat.Name] = value
		}
	}
	return stats
}

// Listeners are the addresses that listeners are bound to, host:port, by name.
func (p *Proxy) Listeners(t testing.TB) map[string]string {
	t.Helper()
	var answer struct {
		Statuses []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	p.decode(t, "/listeners?format=json", &answer)
	listeners := map[string]string{}
	for _, status := range answer.Statuses {
		listeners[status.Name] = fmt.Sprintf("%s:%d", status.Address.Socket.Address, status.Address.Socket.Port)
	}
	return listeners
}

// Get reads a path of the admin interface and ends the test when the answer is
// not 200.
func (p *Proxy) Get(t testing.TB, path string) []byte {
	t.Helper()
	body, err := p.get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Post sends an empty POST, as the admin interface wants it for what changes
// Envoy, such as /quitquitquit or /logging?level=debug.
func (p *Proxy) Post(t testing.TB, path string) {
	t.Helper()
	if _, err := p.request(t.Context(), http.MethodPost, path); err != nil {
		t.Fatal(err)
	}
}

func (p *Proxy) decode(t testing.TB, path string, answer any) {
	t.Helper()
	if err := json.Unmarshal(p.Get(t, path), answer); err != nil {
		t.Fatalf("read %s of Envoy: %v", path, err)
	}
}

func (p *Proxy) get(ctx context.Context, path string) ([]byte, error) {
	return p.request(ctx, http.MethodGet, path)
}

func (p *Proxy) request(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.Admin+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for %s: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for %s: %w", path, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s of Envoy: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask Envoy for %s: %s: %s", path, response.Status, body)
	}
	return body, nil
}
