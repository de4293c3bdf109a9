package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

const (
	discoveryPort    = "15014"
	discoveryPath    = "/debug/proxies"
	discoveryTimeout = 5 * time.Second
)

// overHTTP asks discovery at its debug endpoint, with a token of the operator's
// own ServiceAccount that is good for nothing else.
type overHTTP struct {
	tokenFile string
	client    *http.Client
}

func newOverHTTP(tokenFile string) *overHTTP {
	// A transport of its own: the environment's HTTP proxy must not see the token.
	return &overHTTP{tokenFile: tokenFile, client: &http.Client{
		Timeout:   discoveryTimeout,
		Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true},
	}}
}

// Proxies asks one pod.
func (o *overHTTP) Proxies(ctx context.Context, pod *corev1.Pod) ([]cache.ProxyState, error) {
	// The kubelet renews the file.
	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token for discovery: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(pod.Status.PodIP, discoveryPort)+discoveryPath, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := o.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask discovery: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return nil, fmt.Errorf("ask discovery: %s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	var report struct {
		Proxies []cache.ProxyState `json:"proxies"`
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("read the answer of discovery: %w", err)
	}
	return report.Proxies, nil
}
