package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// report is the outcome of a run.
type report struct {
	Mesh       size     `json:"mesh"`
	Server     string   `json:"server"`
	CPUs       int      `json:"cpus"`
	Iterations int      `json:"iterations"`
	Quiet      string   `json:"quiet"`
	Took       string   `json:"took"`
	Results    []result `json:"results"`
	// Faults are the first rules of the protocol that the server broke.
	Faults []string `json:"faults,omitempty"`
	// Resources is how many each proxy holds, the mean.
	Resources float64 `json:"resourcesPerProxy"`
}

func newReport(b *bench, took time.Duration) *report {
	held := 0
	for _, p := range b.fleet.proxies {
		held += p.holds()
	}
	return &report{
		Mesh: b.mesh.size, Server: b.target.settings, CPUs: runtime.NumCPU(), Iterations: b.iterations,
		Quiet: b.quiet.String(), Took: took.Round(time.Second).String(), Results: b.results,
		Faults: b.fleet.first, Resources: float64(held) / float64(len(b.fleet.proxies)),
	}
}

// writeJSON writes all figures.
func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// columns explains the table, for its reader.
const columns = `
Bytes, resources, responses, removed and CPU are of one change, divided by the proxies in the second column.
Bytes are whole responses as gRPC carries them, without its five-byte headers. "resent" counts resources whose
bytes the proxy held already, without a reason; "owed" those with one, as an assignment after its cluster.
"reached" are the proxies that got anything. Milliseconds run from before the change is made to a proxy's last
response: over all proxies, and to the last proxy of each change. "cpu" is all of the server's process from the
change to the end of the silence after it, so what it does when idle is in it. The simulated proxies share the
machine and slow it down. "sent" are the bytes of the proxy's own requests. "anon." is resident memory without
what is mapped from the program's file, which the kernel may drop and replicas on a node share.
`

// writeTable writes the figures for a person.
func (r *report) writeTable(w io.Writer) error {
	s := r.Mesh
	fmt.Fprintf(w, "%d services (%d TCP, %d endpoints each) in %d namespaces, %d VirtualServices, %d sidecars in %d namespaces, seed %d\n",
		s.Services, s.TCP, s.Endpoints, s.Namespaces, s.VirtualServices, s.Sidecars, s.SidecarNamespaces, s.Seed)
	fmt.Fprintf(w, "%s\n%d CPUs; each change %d times, over after %s of silence; all in %s; a proxy holds %.0f resources\n\n",
		r.Server, r.CPUs, r.Iterations, r.Quiet, r.Took, r.Resources)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "change\tproxies\treached\tB/proxy\tres.\tresp.\trem.\tresent\towed\tsent B\tp50 ms\tp99 ms\tlast p50\tlast max\tcpu ms\tcpu µs/proxy\tRSS MB\tanon. MB\tpeak MB\tfaults\t")
	for i := range r.Results {
		r.Results[i].row(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Results) > 0 {
		r.Results[0].types(w)
	}
	fmt.Fprint(w, columns)
	if r.Mesh.aimed() {
		if err := r.writeAims(w); err != nil {
			return err
		}
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "fault: %s\n", f)
	}
	return nil
}

// row is a result's line of the table.
func (r *result) row(t io.Writer) {
	changes := float64(r.Iterations)
	each := changes * float64(r.Proxies)
	per := func(n int) string { return short(float64(n) / each) }
	cpu := r.CPUMilliseconds / changes
	fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t", r.Phase, r.Proxies, short(r.Reached),
		per(r.Total.Bytes), per(r.Total.Resources), per(r.Total.Responses), per(r.Total.Removed), per(r.Total.Resent), per(r.Total.Owed), per(r.Requests))
	if r.reached == 0 {
		fmt.Fprint(t, "-\t-\t-\t-\t")
	} else {
		fmt.Fprintf(t, "%.1f\t%.1f\t%.1f\t%.1f\t", r.Proxy.P50, r.Proxy.P99, r.Last.P50, r.Last.Max)
	}
	fmt.Fprintf(t, "%.2f\t%.0f\t%d\t%d\t%d\t%d\t\n", cpu, 1000*cpu/float64(r.Proxies), r.ResidentBytes>>20, r.AnonymousBytes>>20, r.PeakBytes>>20, r.Faults)
}

// short is a number with as many digits as matter.
func short(f float64) string {
	if f == float64(int64(f)) || f >= 100 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// types says what a proxy received in a phase, by type.
func (r *result) types(w io.Writer) {
	fmt.Fprintf(w, "\n%s, by type:", r.Phase)
	for _, t := range slices.Sorted(maps.Keys(r.Types)) {
		n := r.Types[t]
		fmt.Fprintf(w, " %s %d B in %d;", t, n.Bytes/r.Proxies, n.Resources/r.Proxies)
	}
	fmt.Fprintln(w)
}
