package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/test/adsclient"
)

func TestPercentilesAreMeasuredTimes(t *testing.T) {
	t.Parallel()
	ms := func(n ...int) (out []time.Duration) {
		for _, n := range n {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, 100-i)
	}
	tests := map[string]struct {
		times []time.Duration
		want  percentiles
	}{
		"no time":               {nil, percentiles{}},
		"one time is all":       {ms(7), percentiles{7, 7, 7, 7}},
		"two times":             {ms(9, 3), percentiles{3, 9, 9, 9}},
		"a hundred, in any row": {ms(hundred...), percentiles{50, 90, 99, 100}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := percentilesOf(test.times); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestTableDividesByChangesAndProxies(t *testing.T) {
	t.Parallel()
	r := &report{
		Mesh: small, Server: "a server", CPUs: 2, Iterations: 2, Quiet: "400ms", Took: "3s", Resources: 12, Faults: []string{"a fault"},
		Results: []result{{
			Phase: "one thing", Iterations: 2, Proxies: 10, Reached: 5, reached: 10, Faults: 1, Requests: 2000,
			Total: adsclient.Count{Bytes: 4000, Resources: 40, Responses: 30, Removed: 20, Resent: 10, Owed: 5},
			Types: map[string]adsclient.Count{"Cluster": {Bytes: 4000, Resources: 40}},
			Proxy: percentiles{P50: 1, P99: 2}, Last: percentiles{P50: 3, Max: 4},
			CPUMilliseconds: 8, ResidentBytes: 50 << 20, AnonymousBytes: 30 << 20, PeakBytes: 60 << 20,
		}, {Phase: "nothing", Iterations: 1, Proxies: 10}},
	}
	var out strings.Builder
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"one", "thing", "10", "5", "200", "2", "1.50", "1", "0.50", "0.25", "100", "1.0", "2.0", "3.0", "4.0", "4.00", "400", "50", "30", "60", "1"},
		{"nothing", "10", "0", "0", "0", "0", "0", "0", "0", "0", "-", "-", "-", "-", "0.00", "0", "0", "0", "0", "0"},
	}
	var got [][]string
	for l := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(l))
	}
	for _, row := range want {
		found := false
		for _, l := range got {
			found = found || strings.Join(l, " ") == strings.Join(row, " ")
		}
		if !found {
			t.Errorf("no row %q in\n%s", strings.Join(row, " "), out.String())
		}
	}
	if !strings.Contains(out.String(), "fault: a fault") || !strings.Contains(out.String(), "Cluster 400 B in 4") {
		t.Errorf("the fault or the types are missing in\n%s", out.String())
	}
}

func TestUsageIsOfTheProcess(t *testing.T) {
	t.Parallel()
	self := process(os.Getpid())
	before, err := self.usage()
	if err != nil {
		t.Fatal(err)
	}
	spin, until := 0, time.Now().Add(20*time.Millisecond)
	for time.Now().Before(until) {
		spin++
	}
	after, err := self.usage()
	if err != nil || after.cpu <= before.cpu || after.resident <= 0 || after.peak < after.resident {
		t.Errorf("before %+v, after %d rounds %+v, %v", before, spin, after, err)
	}
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if u, err := process(gone.Process.Pid).usage(); err == nil {
		t.Errorf("usage of a process that is gone: %+v, want an error", u)
	}
}
