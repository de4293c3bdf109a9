package scrape

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
)

const (
	timeout = 10 * time.Second
	// textFormat is the one format that can be joined by writing one after the
	// other; OpenMetrics ends in a mark.
	textFormat = "text/plain; version=0.0.4; charset=utf-8"
	// maxApplication bounds what the agent keeps of the application's metrics.
	maxApplication = 32 << 20
)

// Envoy is where Envoy's metrics come from.
type Envoy interface {
	Metrics(context.Context) (io.ReadCloser, error)
}

// Handler serves Envoy's metrics and then the application's. Either may be
// missing: the other is served all the same, with a log line.
type Handler struct {
	envoy       Envoy
	application *url.URL
	client      *http.Client
}

// NewHandler merges the two; application may be nil.
func NewHandler(envoy Envoy, application *url.URL) *Handler {
	return &Handler{envoy: envoy, application: application, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			// It is the pod's own address; Prometheus in its common set-up does not verify either.
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     time.Minute,
		},
	}}
}

// ServeHTTP answers in Prometheus's text format.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := logr.FromContextOrDiscard(r.Context())
	w.Header().Set("Content-Type", textFormat)
	if err := h.copyEnvoy(r.Context(), w); err != nil {
		log.Error(err, "Scraping Envoy")
	}
	if h.application == nil {
		return
	}
	if err := h.copyApplication(r.Context(), w); err != nil {
		log.Error(err, "Scraping application", "url", h.application.String())
	}
}

func (h *Handler) copyEnvoy(ctx context.Context, w io.Writer) error {
	body, err := h.envoy.Metrics(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	_, err = io.Copy(w, body)
	return err
}

// copyApplication writes nothing unless the whole answer came: half of it could
// spoil Envoy's.
func (h *Handler) copyApplication(ctx context.Context, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.application.String(), nil)
	if err != nil {
		return fmt.Errorf("make scrape: %w", err)
	}
	req.Header.Set("Accept", textFormat)
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("application answers %s", resp.Status)
	}
	var text bytes.Buffer
	n, err := io.Copy(&text, io.LimitReader(resp.Body, maxApplication+1))
	switch {
	case err != nil:
		return err
	case n > maxApplication:
		return fmt.Errorf("application's metrics are larger than %d bytes", maxApplication)
	}
	if _, err := w.Write([]byte("\n")); err != nil {
		return err
	}
	_, err = w.Write(text.Bytes())
	return err
}
