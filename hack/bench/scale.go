package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// scaleSizes are numbers of services, a quarter of a decade apart or so.
var scaleSizes = []int{100, 300, 1000, 3000, 10000}

// scaleStep is the change whose cost is drawn.
const scaleStep = "one VirtualService"

// point is what one change costs in a mesh of one size.
type point struct {
	services int
	result   result
}

// scaleCommand measures one change in meshes of growing size.
func scaleCommand() *cobra.Command {
	var sidecars, iterations, largest int
	c := &cobra.Command{
		Use:   "scale",
		Short: "Measure one VirtualService change against the number of services, and draw it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var points []point
			for _, n := range scaleSizes {
				if n > largest {
					break
				}
				p, err := scaled(c.Context(), n, sidecars, iterations)
				if err != nil {
					return fmt.Errorf("%d services: %w", n, err)
				}
				fmt.Fprintf(c.ErrOrStderr(), "%d services: done\n", n)
				points = append(points, p)
			}
			return writePoints(c.OutOrStdout(), points)
		},
	}
	c.Flags().IntVar(&sidecars, "sidecars", 20, "simulated proxies")
	c.Flags().IntVar(&iterations, "iterations", 20, "how often the change is made")
	c.Flags().IntVar(&largest, "largest", 10000, "the largest number of services")
	return c
}

// scaled measures the change in one mesh, with the engine alone.
func scaled(ctx context.Context, services, sidecars, iterations int) (_ point, err error) {
	s := size{
		Services: services, Endpoints: 2, Namespaces: min(100, services), VirtualServices: services / 10,
		Sidecars: sidecars, SidecarNamespaces: min(10, sidecars), Seed: 1,
	}
	if err := s.check(); err != nil {
		return point{}, err
	}
	m := generate(s)
	t, err := engineTarget(ctx, nil, m)
	if err != nil {
		return point{}, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	b := &bench{target: t, mesh: m, fleet: newFleet(t.address, m), iterations: iterations, quiet: 300 * time.Millisecond, progress: io.Discard}
	defer func() { err = errors.Join(err, b.fleet.disconnect()) }()
	if err := b.fleet.connect(ctx, b.fleet.proxies); err != nil {
		return point{}, err
	}
	if err := b.fleet.silence(ctx, b.quiet, patience); err != nil {
		return point{}, err
	}
	for _, step := range steps {
		if step.name == scaleStep {
			err = b.step(ctx, step)
		}
	}
	if err != nil {
		return point{}, err
	}
	if first := b.fleet.first; len(first) > 0 {
		return point{}, errors.New(first[0])
	}
	return point{services, b.results[0]}, nil
}

// writePoints writes a table and a picture, both in Markdown.
func writePoints(w io.Writer, points []point) error {
	fmt.Fprintf(w, "| services | bytes a proxy | ms of CPU a change | ms to the last proxy, p50 |\n|---|---|---|---|\n")
	var names, cpu []string
	top := 1.0
	for _, p := range points {
		r := p.result
		each := r.CPUMilliseconds / float64(r.Iterations)
		fmt.Fprintf(w, "| %d | %s | %.2f | %.1f |\n", p.services, short(float64(r.Total.Bytes)/float64(r.Iterations*r.Proxies)), each, r.Last.P50)
		names = append(names, fmt.Sprintf("%q", fmt.Sprint(p.services)))
		cpu = append(cpu, fmt.Sprintf("%.2f", each))
		top = max(top, 2*each)
	}
	_, err := fmt.Fprintf(w, "\n```mermaid\nxychart-beta\n  title %q\n  x-axis \"services\" [%s]\n  y-axis \"ms of CPU of the server\" 0 --> %.0f\n  bar [%s]\n```\n",
		scaleStep+" changed", strings.Join(names, ", "), top, strings.Join(cpu, ", "))
	return err
}
