package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestScaleDrawsWhatItMeasured(t *testing.T) {
	t.Parallel()
	c := command()
	c.SetArgs([]string{"scale", "--largest=100", "--iterations=1", "--sidecars=2"})
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(io.Discard)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 100 | ", `x-axis "services" ["100"]`, "one VirtualService changed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestChurnReachesEveryProxy(t *testing.T) {
	t.Parallel()
	r := run(t, "--churn=500ms")
	for _, name := range []string{"20 endpoints a second for 500ms", "200 endpoints a second for 500ms"} {
		found := false
		for _, got := range r.Results {
			if got.Phase != name {
				continue
			}
			found = true
			changes := map[bool]int{true: 10, false: 100}[strings.HasPrefix(name, "20 ")]
			if got.Iterations != changes || got.Total.Resources > changes*6 || got.Total.Resources == 0 || got.Proxy.Max <= 0 {
				t.Errorf("%s: %d changes, %d resources, the stalest %v ms", name, got.Iterations, got.Total.Resources, got.Proxy.Max)
			}
		}
		if !found {
			t.Errorf("%s was not measured", name)
		}
	}
}

func TestAimsSayWhatHolds(t *testing.T) {
	t.Parallel()
	r := &report{Mesh: size{Services: 1000, Sidecars: 100}, Results: []result{{
		Phase: "one endpoint", Iterations: 2, Proxies: 100, CPUMilliseconds: 20, Last: percentiles{P50: 7}, PeakBytes: 160 << 20,
	}}}
	r.Results[0].Total.Bytes = 200 * 400
	var out strings.Builder
	if err := r.writeAims(&out); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for l := range strings.Lines(out.String()) {
		got[strings.Join(strings.Fields(l), " ")] = true
	}
	for _, want := range []string{
		"one endpoint bytes a proxy 350 400 does not hold",
		"one endpoint ms of CPU a proxy 0.03 0.10 does not hold",
		"one endpoint ms to the last proxy 20 7 holds",
		"memory MB at its highest 150 160 does not hold",
	} {
		if !got[want] {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
