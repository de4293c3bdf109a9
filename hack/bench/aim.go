package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// aim is what one change may cost a proxy. 0 asks nothing.
type aim struct {
	phase string
	// bytes and cpu, in milliseconds, are of one change for one proxy.
	bytes int
	cpu   float64
	// last is the time of the last proxy, stale that of all, in milliseconds: the
	// highest and the 99th percentile.
	last, stale float64
	silent      bool
}

// aims are what we want to reach for 1,000 services and 100 sidecars on two CPUs
// that do nothing else.
var aims = []aim{
	{phase: "the other proxies connect", bytes: 1_000_000, cpu: 2.5},
	{phase: "one endpoint", bytes: 350, cpu: 0.03, last: 20},
	{phase: "one VirtualService", bytes: 2_000, cpu: 0.1, last: 30},
	{phase: "one Service added", bytes: 4_000, cpu: 0.1},
	{phase: "one Service deleted", bytes: 4_000, cpu: 0.1},
	{phase: "one DestinationRule", bytes: 2_000},
	{phase: "PeerAuthentication for nobody", silent: true},
	{phase: "one TCP Service added", bytes: 4_000},
	{phase: "20 endpoints a second for 20s", stale: 100},
	{phase: "200 endpoints a second for 20s", stale: 100},
	{phase: "all reconnect with versions", bytes: 1_000, cpu: 1},
	{phase: "all reconnect to a restarted server", bytes: 1_000, cpu: 1},
}

// Memory, in bytes: with all connected, and at its highest.
const (
	aimResident = 100 << 20
	aimPeak     = 150 << 20
)

// aimed reports whether the aims are about a mesh of this size.
func (s size) aimed() bool { return s.Services == 1000 && s.Sidecars == 100 }

// writeAims says which aims hold.
func (r *report) writeAims(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nchange\twhat\taim\tours\t")
	line := func(phase, what string, limit, ours float64) {
		if limit == 0 {
			return
		}
		verdict := "holds"
		if ours > limit {
			verdict = "does not hold"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", phase, what, short(limit), short(ours), verdict)
	}
	var resident, peak int64
	for i := range r.Results {
		got := &r.Results[i]
		peak = max(peak, got.PeakBytes)
		for _, a := range aims {
			if a.phase != got.Phase {
				continue
			}
			each := float64(got.Iterations * got.Proxies)
			line(a.phase, "bytes a proxy", float64(a.bytes), float64(got.Total.Bytes)/each)
			line(a.phase, "ms of CPU a proxy", a.cpu, got.CPUMilliseconds/each)
			line(a.phase, "ms to the last proxy", a.last, got.Last.P50)
			line(a.phase, "ms stale, p99", a.stale, got.Proxy.P99)
			if a.silent {
				line(a.phase, "responses", 0.5, float64(got.Total.Responses))
			}
			if a.phase == "the other proxies connect" {
				resident = got.ResidentBytes
			}
		}
	}
	line("memory", "MB with all connected", aimResident>>20, float64(resident>>20))
	line("memory", "MB at its highest", aimPeak>>20, float64(peak>>20))
	return t.Flush()
}
