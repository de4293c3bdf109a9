package cmd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// discoveryOf serves a report at the debug path.
func discoveryOf(t *testing.T, report xds.Report) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != xds.DebugPath {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(report)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func proxiesOutput(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := Root()
	root.SetOut(&out)
	root.SetArgs(append([]string{"proxies"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestProxiesShowsASyncWordPerType(t *testing.T) {
	since := time.Now().Add(-90 * time.Minute)
	address := discoveryOf(t, xds.Report{Proxies: []cache.ProxyState{
		{
			ID: "sidecar~10.1.0.2~front-1.shop~shop.svc.cluster.local", Type: "sidecar", Namespace: "shop", Pod: "front-1", Connected: since,
			Types: []cache.TypeState{
				{Type: string(resource.Cluster), Class: "1", Resources: 7},
				{Type: string(resource.Endpoints), Class: "2", Resources: 5, Unacked: 1},
				{Type: string(resource.Listener), Class: "1", Resources: 3, Nacks: 1, Rejected: []cache.Rejection{{Name: "virtualInbound", Error: "no"}}},
			},
		},
		{ID: "router~10.1.0.3~gw-1.edge~edge.svc.cluster.local", Type: "router", Namespace: "edge", Pod: "gw-1", Connected: since, InSync: true},
	}})
	cases := map[string]struct {
		args []string
		want []string
	}{
		"all, by namespace": {nil, []string{
			"NAMESPACE NAME TYPE CDS EDS LDS RDS VHDS AGE DISCOVERY",
			"edge gw-1 router - - - - - 90m -",
			"shop front-1 sidecar SYNCED PENDING REJECTED - - 90m -",
		}},
		"one by name, wide": {[]string{"front-1.shop", "-o", "wide"}, []string{
			"NAMESPACE NAME TYPE CDS EDS LDS RDS VHDS AGE DISCOVERY SERVICEACCOUNT RESOURCES NACKS CLASSES NODE-ID",
			"shop front-1 sidecar SYNCED PENDING REJECTED - - 90m - 15 1 1/2/1 sidecar~10.1.0.2~front-1.shop~shop.svc.cluster.local",
		}},
		"one namespace": {[]string{"-n", "edge"}, []string{
			"NAMESPACE NAME TYPE CDS EDS LDS RDS VHDS AGE DISCOVERY",
			"edge gw-1 router - - - - - 90m -",
		}},
		"nothing": {[]string{"-n", "none"}, []string{"No proxies are connected."}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out := proxiesOutput(t, append(c.args, "--address", address)...)
			var got []string
			for line := range strings.Lines(out) {
				got = append(got, strings.Join(strings.Fields(line), " "))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
	var list proxyList
	if err := json.Unmarshal([]byte(proxiesOutput(t, "-o", "json", "--address", address)), &list); err != nil || len(list.Proxies) != 2 {
		t.Errorf("json: %v, %d proxies", err, len(list.Proxies))
	}
}

func TestProxiesAsksOnlyLoopbackWithoutAuthentication(t *testing.T) {
	root := Root()
	root.SetOut(&bytes.Buffer{})
	root.SetArgs([]string{"proxies", "--address", "192.0.2.1:15014"})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v, want a refusal that says loopback", err)
	}
}
