package agent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/agent"
	"github.com/meshwright/meshwright/internal/agent/bootstrap"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/spiffe"
)

func TestAgentGivesEnvoyAnIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	r := w.start(t, nil)
	r.ready(t)
	set, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]spiffe.ID{back}, w.callers()); diff != "" {
		t.Errorf("callers of ADS (-want +got):\n%s", diff)
	}
	body, _, err := w.call(t, w.client(t, set, front), "/")
	if err != nil || !strings.Contains(body, "URI="+front.String()) {
		t.Errorf("a peer gets %q, %v; the application should have seen %s", body, err, front)
	}
	for name, client := range map[string]*http.Client{
		"a caller without a certificate":              w.client(t, nil, front),
		"a caller with a certificate of another root": w.client(t, newSet(t), front),
		"a caller of another trust domain":            w.client(t, set, spiffe.ID{TrustDomain: "other", Namespace: "shop", ServiceAccount: "front"}),
	} {
		if body, _, err := w.call(t, client, "/"); err == nil {
			t.Errorf("%s gets %q, want a refused handshake", name, body)
		}
	}
	secrets := r.secrets(t)
	slices.Sort(secrets)
	if diff := cmp.Diff([]string{"ROOTCA", "default", "discovery-root"}, secrets); diff != "" {
		t.Errorf("active secrets (-want +got):\n%s", diff)
	}
	stats, err := get(t, r.url(r.cfg.Bootstrap.Ports.Admin, "/stats?filter=update_rejected"))
	if err != nil || stats == "" {
		t.Fatalf("%q, %v", stats, err)
	}
	for line := range strings.Lines(stats) {
		if !strings.HasSuffix(strings.TrimSpace(line), ": 0") {
			t.Error(line)
		}
	}
}

// secrets are the names of Envoy's active secrets.
func (r *running) secrets(t *testing.T) []string {
	t.Helper()
	dump, err := get(t, r.url(r.cfg.Bootstrap.Ports.Admin, "/config_dump?resource=dynamic_active_secrets"))
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Configs []struct{ Name string } }
	if err := json.Unmarshal([]byte(dump), &out); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range out.Configs {
		names = append(names, c.Name)
	}
	return names
}

func TestAgentRenewsCertificateAndRoots(t *testing.T) {
	t.Parallel()
	// So short a life is over its half at once: the agent renews each second.
	w := newWorld(t, time.Minute)
	r := w.start(t, nil)
	r.ready(t)
	first, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	_, before, err := w.call(t, w.client(t, first, front), "/")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "another certificate", func() error {
		_, shown, err := w.call(t, w.client(t, first, front), "/")
		if err == nil && bytes.Equal(shown.Raw, before.Raw) {
			err = fmt.Errorf("still number %x", shown.SerialNumber)
		}
		return err
	})
	next := &slot.Set{Current: newSet(t).Current, Next: first.Current}
	w.holder.Set(&slot.Set{Current: first.Current, Next: next.Current})
	eventually(t, "trust in the next root", func() error {
		_, _, err := w.call(t, w.client(t, next, front), "/")
		return err
	})
	w.holder.Set(next)
	eventually(t, "a certificate of the next root", func() error {
		_, shown, err := w.call(t, w.client(t, next, front), "/")
		if err == nil {
			err = shown.CheckSignatureFrom(next.Current.Certificate())
		}
		return err
	})
	if n := len(w.callers()); n != 1 {
		t.Errorf("%d ADS streams were opened: rotation should not break the first", n)
	}
	r.cancel()
	<-r.done
	w.holder.Set(&slot.Set{Current: next.Current})
	again := w.start(t, func(cfg *agent.Config) { cfg.Dir = r.cfg.Dir; cfg.RootPEM = r.cfg.RootPEM })
	again.ready(t)
}

func TestAgentWaitsForItsCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	w.refusals.Store(2)
	r := w.start(t, nil)
	r.ready(t)
	if n := w.refusals.Load(); n >= 0 {
		t.Errorf("%d refusals are left", n+1)
	}
}

func TestAgentGoesOnWithoutDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	r := w.start(t, nil)
	r.ready(t)
	set, err := w.holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	w.server.Stop()
	eventually(t, "Envoy to notice", func() error {
		stats, err := get(t, r.url(r.cfg.Bootstrap.Ports.Admin, "/stats?filter=control_plane.connected_state"))
		if err == nil && !strings.Contains(stats, ": 0") {
			err = fmt.Errorf("stats say %q", stats)
		}
		return err
	})
	if _, _, err := w.call(t, w.client(t, set, front), "/"); err != nil {
		t.Errorf("a peer is refused: %v", err)
	}
	r.ready(t)
	lis, err := net.Listen("tcp", strings.Replace(w.address, "localhost", "127.0.0.1", 1))
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, lis)
	eventually(t, "a second ADS stream", func() error {
		if n := len(w.callers()); n < 2 {
			return fmt.Errorf("%d streams so far", n)
		}
		return nil
	})
}

func TestAgentAnswersKubeletAndPrometheus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	_, port, err := net.SplitHostPort(w.app.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := w.start(t, func(cfg *agent.Config) {
		cfg.Probers = `{"/app-health/app/readyz": {"httpGet": {"path": "/healthz", "port": ` + port + `}}}`
		cfg.Scrape = `{"scrape": "true", "port": "` + port + `", "path": "/metrics"}`
	})
	r.ready(t)
	ports := r.cfg.Bootstrap.Ports
	if body, err := get(t, r.url(ports.Status, "/app-health/app/readyz")); err != nil || body != "healthy" {
		t.Errorf("probe answers %q, %v", body, err)
	}
	body, err := get(t, r.url(ports.Status, "/stats/prometheus"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"envoy_server_state", "app_requests_total 7"} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if body, err := get(t, r.url(ports.Stats, "/stats/prometheus")); err != nil || !strings.Contains(body, "envoy_server_state") {
		t.Errorf("Envoy's own metrics port: %v", err)
	}
	if _, err := get(t, r.url(ports.Stats, "/config_dump")); err == nil {
		t.Error("the metrics port gives away the configuration")
	}
}

func TestAgentDrains(t *testing.T) {
	t.Parallel()
	for _, role := range []bootstrap.Role{bootstrap.Sidecar, bootstrap.Router} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, time.Hour)
			r := w.start(t, func(cfg *agent.Config) { cfg.Bootstrap.Role = role; cfg.Drain = patience })
			r.ready(t)
			set, err := w.holder.Get()
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			client := w.client(t, set, front)
			go func() {
				_, _, err := w.call(t, client, "/slow")
				answered <- err
			}()
			eventually(t, "the request to be under way", func() error {
				stats, err := get(t, r.url(r.cfg.Bootstrap.Ports.Admin, "/stats?filter=listener.*downstream_cx_active"))
				if err == nil && !strings.Contains(stats, "_"+strconv.Itoa(w.inbound)+".downstream_cx_active: 1") {
					err = fmt.Errorf("stats say %q", stats)
				}
				return err
			})
			r.cancel()
			w.herald.answer <- nil
			eventually(t, "readiness to fail", func() error {
				if _, err := get(t, r.url(r.cfg.Bootstrap.Ports.Status, "/healthz/ready")); err == nil {
					return fmt.Errorf("still ready")
				}
				return nil
			})
			if err := <-answered; err != nil {
				t.Errorf("the request under way fails: %v", err)
			}
			<-r.done
			if r.err != nil {
				t.Errorf("Run returns %v", r.err)
			}
		})
	}
}

// TestDrainTellsKeptConnections asks that a client which keeps its connection
// is told to close it, so that the pod need not wait for its limit.
func TestDrainTellsKeptConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	r := w.start(t, func(cfg *agent.Config) { cfg.Drain = 3 * patience })
	r.ready(t)
	client := w.keeping(t)
	if _, _, err := w.call(t, client, "/"); err != nil {
		t.Fatal(err)
	}
	r.cancel()
	w.herald.answer <- nil
	eventually(t, "the connection to be closed", func() error {
		select {
		case <-r.done:
			return nil
		default:
		}
		if _, _, err := w.call(t, client, "/"); err != nil {
			return nil //nolint:nilerr // refused: Envoy has gone between two looks
		}
		return fmt.Errorf("still served")
	})
	<-r.done
	if r.err != nil {
		t.Errorf("Run returns %v", r.err)
	}
}

func TestAgentEndsWithEnvoy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		port func(bootstrap.Ports) int
		fail bool
	}{
		"an Envoy that ends by itself is an error": {port: func(p bootstrap.Ports) int { return p.Admin }, fail: true},
		"a pod that is done is none":               {port: func(p bootstrap.Ports) int { return p.Status }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, time.Hour)
			r := w.start(t, nil)
			r.ready(t)
			if _, err := send(t, http.MethodPost, r.url(tc.port(r.cfg.Bootstrap.Ports), "/quitquitquit")); err != nil {
				t.Fatal(err)
			}
			<-r.done
			if tc.fail != (r.err != nil) {
				t.Errorf("Run returns %v", r.err)
			}
		})
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	r := w.start(t, func(cfg *agent.Config) { cfg.Bootstrap.Discovery = "nowhere" })
	<-r.done
	if r.err == nil || !strings.Contains(r.err.Error(), "discovery address") {
		t.Errorf("Run returns %v", r.err)
	}
}
