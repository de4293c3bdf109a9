package scrape_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/agent/scrape"
)

func TestApplication(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		moved       string
		annotations map[string]string
		want, err   string // want is empty for nowhere
	}{
		"no annotation is nowhere":      {},
		"scrape alone":                  {annotations: map[string]string{"prometheus.io/scrape": "true"}, want: "http://127.0.0.1:80/metrics"},
		"port and path":                 {annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "stats?all=1"}, want: "http://127.0.0.1:9090/stats?all=1"},
		"scheme":                        {annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/scheme": "https"}, want: "https://127.0.0.1:9090/metrics"},
		"not to be scraped":             {annotations: map[string]string{"prometheus.io/scrape": "false", "prometheus.io/port": "9090"}},
		"the agent itself":              {annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "15020"}},
		"moved wins over the pod's":     {moved: `{"scrape":"true","path":"/m","port":"8080"}`, annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "15020"}, want: "http://127.0.0.1:8080/m"},
		"moved without scrape":          {moved: `{"scrape":"","path":"","port":"8080"}`, annotations: map[string]string{"prometheus.io/scrape": "true"}},
		"a port that is none":           {annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "http"}, err: "prometheus.io/port"},
		"moved annotations are no JSON": {moved: "x", err: "moved Prometheus annotations"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scrape.Application(tc.moved, tc.annotations, 15020)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			text := ""
			if got != nil {
				text = got.String()
			}
			if err != nil || text != tc.want {
				t.Errorf("got %q, %v; want %q", text, err, tc.want)
			}
		})
	}
}

// metrics are Envoy's, or an error.
type metrics string

func (m metrics) Metrics(context.Context) (io.ReadCloser, error) {
	if m == "" {
		return nil, errors.New("Envoy is away")
	}
	return io.NopCloser(strings.NewReader(string(m))), nil
}

func TestHandlerMerges(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		case r.URL.Path != "/metrics":
			http.NotFound(w, r)
		case !strings.HasPrefix(r.Header.Get("Accept"), "text/plain"):
			http.Error(w, "a format that cannot be joined", http.StatusNotAcceptable)
		default:
			_, _ = io.WriteString(w, "app 1\n")
		}
	}))
	t.Cleanup(app.Close)
	tests := map[string]struct {
		envoy metrics
		path  string // of the application; empty is none
		want  string
	}{
		"both":                       {envoy: "envoy 1\n", path: "/metrics", want: "envoy 1\n\napp 1\n"},
		"Envoy's only":               {envoy: "envoy 1\n", want: "envoy 1\n"},
		"the application's only":     {path: "/metrics", want: "\napp 1\n"},
		"an application without any": {envoy: "envoy 1\n", path: "/none", want: "envoy 1\n"},
		"half an answer is left out": {envoy: "envoy 1\n", path: "/broken", want: "envoy 1\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var target *url.URL
			if tc.path != "" {
				var err error
				if target, err = url.Parse(app.URL + tc.path); err != nil {
					t.Fatal(err)
				}
			}
			out := httptest.NewRecorder()
			scrape.NewHandler(tc.envoy, target).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil))
			if got := out.Body.String(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
