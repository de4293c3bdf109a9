package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// Path is where discovery serves a Report, on its HTTP address.
const Path = "/debug/proxies"

// Report is the answer, as JSON.
type Report struct {
	Proxies []cache.ProxyState `json:"proxies"`
}

// Read asks the discovery at an address, host:port, for as long as the context
// lives. The token is a bearer's and may be empty. An answer other than 200 is
// an error with discovery's words. It may be called concurrently.
func Read(ctx context.Context, address, token string) (Report, error) {
	var report Report
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+Path, nil)
	if err != nil {
		return report, fmt.Errorf("make request: %w", err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// A transport of its own: the environment's HTTP proxy must not see the token.
	client := http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return report, fmt.Errorf("ask discovery: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return report, fmt.Errorf("ask discovery: %s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return report, fmt.Errorf("read the answer of discovery: %w", err)
	}
	return report, nil
}
