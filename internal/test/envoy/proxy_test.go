package envoy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

const bootstrap = `{
  "node": {"id": "test", "cluster": "test"},
  "static_resources": {"listeners": [{
    "name": "hello",
    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
    "filter_chains": [{"filters": [{
      "name": "http",
      "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "hello",
        "route_config": {"virtual_hosts": [{
          "name": "all", "domains": ["*"],
          "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
        }]},
        "http_filters": [{
          "name": "router",
          "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
        }]
      }
    }]}]
  }]}
}`

func TestProxyServesItsBootstrap(t *testing.T) {
	t.Parallel()
	proxy := Start(t, []byte(bootstrap))
	address := proxy.Listeners(t)["hello"]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "hello" {
		t.Errorf("answer %q, %v, want hello", body, err)
	}
	stats := proxy.Stats(t, `^http\.hello\.downstream_rq_(total|2xx)$`)
	if stats["http.hello.downstream_rq_total"] != 1 || len(stats) != 2 {
		t.Errorf("stats %v, want 1 request in two counters", stats)
	}
	if dump := string(proxy.ConfigDump(t, "static_listeners")); !strings.Contains(dump, `"hello"`) {
		t.Errorf("the dump of listeners does not name hello:\n%s", dump)
	}
}

func TestTwoProxiesRunBesideEachOther(t *testing.T) {
	t.Parallel()
	a, b := Start(t, []byte(bootstrap)), Start(t, []byte(bootstrap))
	if a.Admin == b.Admin || a.Listeners(t)["hello"] == b.Listeners(t)["hello"] {
		t.Errorf("two proxies share an address: %s, %s", a.Admin, b.Admin)
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	t.Parallel()
	proxy := Start(t, []byte(bootstrap))
	proxy.Stop()
	proxy.Stop()
	if err := syscall.Kill(proxy.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v, want that it is gone", proxy.cmd.Process.Pid, err)
	}
}

func TestValidateAcceptsAGoodBootstrap(t *testing.T) {
	t.Parallel()
	Validate(t, []byte(bootstrap))
}
