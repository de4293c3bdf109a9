package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/test/adsclient"
)

// TestMain lets the test program be the engine process too: a target starts the
// program that it is part of.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serveCommand {
		main()
		return
	}
	os.Exit(m.Run())
}

// run is a small bench of the engine, as a person would start it.
func run(t *testing.T, args ...string) *report {
	t.Helper()
	c := command()
	c.SetArgs(append([]string{
		"--server=engine", "--services=12", "--tcp=2", "--namespaces=3", "--virtualservices=3",
		"--sidecars=6", "--sidecar-namespaces=2", "--iterations=1", "--quiet=1500ms", "--output=json",
	}, args...))
	var out, said bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&said)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	r := &report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBenchMeasuresEachKindOfChange(t *testing.T) {
	t.Parallel()
	r := run(t)
	const perType = 6 // proxies
	tests := map[string]struct {
		reached float64
		types   map[string]adsclient.Count // without bytes
	}{
		"one endpoint":       {6, map[string]adsclient.Count{"ClusterLoadAssignment": {Responses: perType, Resources: perType}}},
		"one VirtualService": {6, map[string]adsclient.Count{"VirtualHost": {Responses: perType, Resources: perType}}},
		"one Service added": {6, map[string]adsclient.Count{
			"Cluster":               {Responses: perType, Resources: perType},
			"ClusterLoadAssignment": {Responses: perType, Resources: perType},
			"VirtualHost":           {Responses: perType, Resources: perType},
		}},
		"one Service deleted": {6, map[string]adsclient.Count{
			"Cluster":     {Responses: perType, Removed: perType},
			"VirtualHost": {Responses: perType, Removed: perType},
		}},
		"one DestinationRule": {6, map[string]adsclient.Count{
			"Cluster":               {Responses: perType, Resources: perType},
			"ClusterLoadAssignment": {Responses: perType, Resources: perType, Owed: perType},
		}},
		"PeerAuthentication for nobody": {0, map[string]adsclient.Count{}},
		"one TCP Service added": {6, map[string]adsclient.Count{
			"Cluster":               {Responses: perType, Resources: perType},
			"ClusterLoadAssignment": {Responses: perType, Resources: perType},
			"Listener":              {Responses: perType, Resources: perType},
		}},
		"idle for 3s":                 {0, map[string]adsclient.Count{}},
		"all reconnect with versions": {0, map[string]adsclient.Count{}},
	}
	for _, got := range r.Results {
		if got.Faults > 0 || got.CPUMilliseconds <= 0 && got.Reached > 0 || got.ResidentBytes <= 0 || got.PeakBytes < got.ResidentBytes {
			t.Errorf("%s: %d faults %v, %v ms of CPU, %d bytes resident, peak %d", got.Phase, got.Faults, r.Faults, got.CPUMilliseconds, got.ResidentBytes, got.PeakBytes)
		}
		want, known := tests[got.Phase]
		if !known {
			continue
		}
		delete(tests, got.Phase)
		bytes := 0
		for name, count := range got.Types {
			if bytes += count.Bytes; count.Bytes == 0 {
				t.Errorf("%s: no bytes of %s", got.Phase, name)
			}
			count.Bytes = 0
			if count != want.types[name] {
				t.Errorf("%s: %s is %+v, want %+v", got.Phase, name, count, want.types[name])
			}
		}
		if len(got.Types) != len(want.types) || got.Reached != want.reached || got.Total.Bytes != bytes {
			t.Errorf("%s: reached %v, %d types, %d bytes in all; want %v, %d, %d", got.Phase, got.Reached, len(got.Types), got.Total.Bytes, want.reached, len(want.types), bytes)
		}
		if (got.Last.Max > 0) != (want.reached > 0) || got.Last.P50 > got.Last.Max || got.Proxy.P50 > got.Proxy.P99 {
			t.Errorf("%s: times %+v and %+v", got.Phase, got.Proxy, got.Last)
		}
	}
	for name := range tests {
		t.Errorf("%s was not measured", name)
	}
	first, other := r.Results[0], r.Results[1]
	if first.Proxies != 2 || other.Proxies != 4 || other.Total.Bytes != 2*first.Total.Bytes || other.Requests == 0 {
		t.Errorf("first connect: %d proxies got %d bytes; then %d got %d", first.Proxies, first.Total.Bytes, other.Proxies, other.Total.Bytes)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"an unknown output":                  {[]string{"-o", "yaml"}, "--output"},
		"an unknown server":                  {[]string{"--server", "mosaic"}, "--server"},
		"no change at all":                   {[]string{"--iterations", "0"}, "--iterations"},
		"a silence longer than idle":         {[]string{"--quiet", "1h"}, "--quiet"},
		"a given server without its process": {[]string{"--server", "given", "--address", "127.0.0.1:1"}, "--pid"},
		"fewer services than namespaces":     {[]string{"--services", "2", "--namespaces", "3"}, "2 services in 3 namespaces"},
		"more VirtualServices than HTTP":     {[]string{"--virtualservices", "181"}, "181 VirtualServices"},
		"sidecars nowhere":                   {[]string{"--sidecar-namespaces", "21"}, "21 of 20 namespaces"},
		"no endpoint to change":              {[]string{"--endpoints", "0"}, "0 endpoints"},
		"more addresses than there are":      {[]string{"--services", "1000000"}, "too many addresses"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command()
			c.SetArgs(test.args)
			c.SetOut(io.Discard)
			c.SetErr(io.Discard)
			if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v: error %v, want %q in it", test.args, err, test.want)
			}
		})
	}
}

func TestServerThatEndsIsAnError(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	m := generate(size{Services: 1, Endpoints: 1, Namespaces: 1, VirtualServices: 1, Sidecars: 1, SidecarNamespaces: 1})
	target, err := engineTarget(t.Context(), &said, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.apply(t.Context(), []change{{object: istio(networking, "VirtualService", "a", "b", map[string]any{"http": "no list"})}}); err == nil {
		t.Error("a change with a problem was taken")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err := target.server.usage(); err != nil || time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := target.stop(); err == nil || !strings.Contains(said.String(), "VirtualService/a/b") {
		t.Errorf("stop of a server that ended: %v, it said %q", err, said.String())
	}
}
