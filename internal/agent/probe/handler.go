package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
)

// maxBody is how much of the application's answer is passed on; kubelet itself
// reads 10 KiB.
const maxBody = 10 << 10

// Handler answers /app-health/… It may be used concurrently.
type Handler struct {
	probers map[string]*Prober
	host    string
	dialer  net.Dialer
	client  *http.Client
}

// NewHandler probes an application in a pod with this address: at the address
// for IPv4, as kubelet would, from 127.0.0.6, which the capture rules leave
// alone; at loopback for IPv6, which has no such source address.
func NewHandler(probers map[string]*Prober, podIP netip.Addr) *Handler {
	h := &Handler{probers: probers, host: podIP.String()}
	if podIP.Unmap().Is4() {
		h.dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 6)}
	} else {
		h.host = netip.IPv6Loopback().String()
	}
	h.client = &http.Client{
		// Kubelet does not verify either, and takes a redirect for a success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       h.dialer.DialContext,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
			DisableKeepAlives: true,
			// A probe wants the status, not the body as it was before compression.
			DisableCompression: true,
		},
	}
	return h
}

// ServeHTTP carries out the probe of the path. Kubelet sees the status of an
// HTTP application, 200 for a TCP or gRPC one that is well, 500 for any that
// does not answer, and 404 for a path that was not injected.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := h.probers[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.timeout())
	defer cancel()
	var err error
	switch {
	case p.HTTPGet != nil:
		err = h.http(ctx, w, r, p.HTTPGet)
	case p.TCPSocket != nil:
		err = h.tcp(ctx, p.TCPSocket.Port.IntValue())
	case p.GRPC != nil:
		err = h.grpc(ctx, p.GRPC)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (h *Handler) address(port int) string {
	return net.JoinHostPort(h.host, strconv.Itoa(port))
}

func (h *Handler) http(ctx context.Context, w http.ResponseWriter, from *http.Request, get *corev1.HTTPGetAction) error {
	path := get.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	target, err := url.Parse(path)
	if err != nil {
		return fmt.Errorf("read path of probe: %w", err)
	}
	target.Scheme, target.Host = "http", h.address(get.Port.IntValue())
	if get.Scheme == corev1.URISchemeHTTPS {
		target.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("make probe: %w", err)
	}
	req.Header = from.Header.Clone()
	req.Header.Del("Connection")
	for _, header := range get.HTTPHeaders {
		// The injector may have left them on the probe too: they are in from.
		req.Header.Del(header.Name)
	}
	for _, header := range get.HTTPHeaders {
		if strings.EqualFold(header.Name, "Host") {
			req.Host = header.Value
			continue
		}
		req.Header.Add(header.Name, header.Value)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("probe application: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if kind := resp.Header.Get("Content-Type"); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(resp.StatusCode)
	// The status is out: a broken body is the application's to explain.
	_, _ = io.CopyN(w, resp.Body, maxBody)
	return nil
}

func (h *Handler) tcp(ctx context.Context, port int) error {
	conn, err := h.dialer.DialContext(ctx, "tcp", h.address(port))
	if err != nil {
		return fmt.Errorf("probe application: %w", err)
	}
	return conn.Close()
}

func (h *Handler) grpc(ctx context.Context, action *corev1.GRPCAction) error {
	conn, err := grpc.NewClient("passthrough:///"+h.address(int(action.Port)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return h.dialer.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		return fmt.Errorf("probe application: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var service string
	if action.Service != nil {
		service = *action.Service
	}
	answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		return fmt.Errorf("probe application: %w", err)
	}
	if s := answer.GetStatus(); s != healthv1.HealthCheckResponse_SERVING {
		return fmt.Errorf("probe application: its health is %s", s)
	}
	return nil
}
