package cmd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
	"github.com/meshwright/meshwright/internal/xds/report"
)

// noon is when the tests look; the proxies connected 90 minutes before.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// someProxies are two sidecars, one in trouble, and a gateway.
func someProxies() []cache.ProxyState {
	since := noon.Add(-90 * time.Minute)
	return []cache.ProxyState{
		{
			ID: "sidecar~10.1.0.2~front-1.shop~shop.svc.cluster.local", Type: "sidecar", Namespace: "shop", Pod: "front-1",
			ServiceAccount: "front", Connected: since,
			Types: []cache.TypeState{
				{Type: string(resource.Cluster), Class: "1", Resources: 7, Pending: 2},
				{Type: string(resource.Endpoints), Class: "2", Resources: 5},
				{Type: string(resource.Listener), Class: "1", Resources: 3, Nacks: 2, Rejected: []cache.Rejection{
					{Name: "virtualInbound", Version: "v", Error: "error adding listener:\n  no such luck"},
				}},
				{Type: string(resource.Route), Class: "1", Resources: 2, Unacked: 1, UnackedSince: noon.Add(-3 * time.Second)},
				{Type: string(resource.VirtualHost), Class: "1", Resources: 9, Unacked: 1, UnackedSince: noon.Add(-4 * time.Second)},
			},
		},
		{
			ID: "sidecar~10.1.0.4~back-1.shop~shop.svc.cluster.local", Type: "sidecar", Namespace: "shop", Pod: "back-1", InSync: true,
			ServiceAccount: "back", Connected: since, Types: []cache.TypeState{{Type: string(resource.Cluster), Class: "1", Resources: 7}},
		},
		{
			ID: "router~10.1.0.3~gw-1.edge~edge.svc.cluster.local", Type: "router", Namespace: "edge", Pod: "gw-1", InSync: true,
			Connected: since, Types: []cache.TypeState{{Type: string(resource.Secret), Class: "3", Resources: 1}},
		},
	}
}

// discoveryOf serves a report at the debug path, on loopback without
// authentication.
func discoveryOf(t *testing.T, proxies []cache.ProxyState) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != report.Path {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(report.Report{Proxies: proxies})
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// runCommand runs the command line and returns what it prints.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := Root()
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestProxiesPrintsForPeopleAndPrograms(t *testing.T) {
	rows, err := readProxies(t.Context(), discoveryOf(t, someProxies()), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i].Discovery, rows[i].Revision = "meshwright-discovery-demo-1-abc", "demo-1"
	}
	for _, form := range []string{"", "wide", "json", "yaml"} {
		t.Run("form "+form, func(t *testing.T) {
			var out bytes.Buffer
			if err := printProxies(&out, form, newest(slices.Clone(rows)), noon); err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", "proxies"+strings.TrimSuffix("."+form, ".")+".golden"), out.Bytes())
		})
	}
}

func TestProxyThatReconnectedIsShownOnceWithItsNewStream(t *testing.T) {
	row := func(id, pod string, age time.Duration) proxyRow {
		return proxyRow{ID: id, Name: id, Discovery: pod, Connected: noon.Add(-age)}
	}
	got := newest([]proxyRow{row("a", "old", time.Hour), row("b", "old", time.Hour), row("a", "new", time.Minute), row("a", "older", 2*time.Hour)})
	want := []proxyRow{row("a", "new", time.Minute), row("b", "old", time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestProxiesShowsWhatIsAskedFor(t *testing.T) {
	address := discoveryOf(t, someProxies())
	tests := map[string]struct {
		args []string
		want []string // namespace/name
		err  string   // a part of the error; empty means none
	}{
		"all, by namespace and name":     {want: []string{"edge/gw-1", "shop/back-1", "shop/front-1"}},
		"those of all namespaces":        {args: []string{"-A"}, want: []string{"edge/gw-1", "shop/back-1", "shop/front-1"}},
		"one by name":                    {args: []string{"front-1"}, want: []string{"shop/front-1"}},
		"two by name and namespace":      {args: []string{"front-1.shop", "gw-1.edge"}, want: []string{"edge/gw-1", "shop/front-1"}},
		"those of a namespace":           {args: []string{"-n", "edge"}, want: []string{"edge/gw-1"}},
		"nothing where nobody connected": {args: []string{"-n", "none"}},
		"an error for one that is not connected, beside another": {
			args: []string{"gone", "gw-1"}, want: []string{"edge/gw-1"}, err: "no proxy of pod gone is connected",
		},
		"an error for one of another namespace": {args: []string{"-n", "edge", "front-1"}, err: "no proxy of pod front-1 is connected"},
		"no address but loopback":               {args: []string{"--address", "192.0.2.1:15014"}, err: "loopback"},
		"an address where nobody listens":       {args: []string{"--address", "127.0.0.1:1"}, err: "a meshwright discovery must run there"},
		"no form but the known":                 {args: []string{"-o", "xml"}, err: "give wide, json or yaml"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := runCommand(t, append([]string{"proxies", "--address", address, "-o", "json"}, tc.args...)...)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want one with %q", err, tc.err)
			}
			var list proxyList
			if out != "" {
				if err := json.Unmarshal([]byte(out), &list); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, r := range list.Items {
				got = append(got, r.Namespace+"/"+r.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("proxies (-want +got):\n%s", diff)
			}
		})
	}
}
