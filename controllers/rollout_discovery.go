package controllers

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/internal/xds/cache"
	"github.com/meshwright/meshwright/internal/xds/report"
)

const (
	discoveryPort    = "15014"
	discoveryTimeout = 5 * time.Second
)

// overHTTP asks discovery for its report, with a token of the operator's own
// ServiceAccount that is good for nothing else.
type overHTTP struct{ tokenFile string }

// Proxies asks one pod.
func (o overHTTP) Proxies(ctx context.Context, pod *corev1.Pod) ([]cache.ProxyState, error) {
	// The kubelet renews the file.
	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token for discovery: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	told, err := report.Read(ctx, net.JoinHostPort(pod.Status.PodIP, discoveryPort), strings.TrimSpace(string(token)))
	return told.Proxies, err
}
