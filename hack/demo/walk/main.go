// Command walk is the demo: it installs the mesh by one object, deploys the
// shop, and goes through what a mesh is for, printing the evidence of each
// step. It stops with exit code 1 at the first step whose evidence does not
// hold, and leaves everything running.
//
// It acts on the cluster of the kubeconfig that it is given by flag, never on
// one from the environment.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var w walk
	var outage time.Duration
	upgrade := flag.Bool("upgrade", false, "walk through updates, from one version to the next and to a broken one")
	flag.StringVar(&w.kubectl.binary, "kubectl", "", "path of kubectl")
	flag.StringVar(&w.kubectl.kubeconfig, "kubeconfig", "", "kubeconfig of the demo's own cluster")
	flag.StringVar(&w.meshwright, "meshwright", "", "path of the meshwright binary")
	flag.StringVar(&w.manifests, "manifests", "manifests", "folder of the demo's manifests")
	flag.StringVar(&w.operator, "operator", "", "folder of the operator's kustomization")
	flag.StringVar(&w.istioCRDs, "istio-crds", "", "file with Istio's CustomResourceDefinitions")
	flag.DurationVar(&outage, "outage", time.Minute, "how long the control plane is held down")
	flag.IntVar(&w.rate, "rate", 20, "requests a second while updates go on")
	flag.DurationVar(&w.length, "length", 0, "how long to go on with one canary after the other")
	flag.Parse()
	w.outage = outage
	if w.rate < 1 || w.rate > 2000 || w.length > time.Hour || w.kubectl.binary == "" || w.kubectl.kubeconfig == "" || w.meshwright == "" || w.operator == "" || w.istioCRDs == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	steps := w.steps()
	if *upgrade {
		steps = w.upgradeSteps()
	}
	if err := w.run(ctx, steps); err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo stopped:", err)
		os.Exit(1)
	}
}

// step is one station of the walk: do returns the evidence, a few lines for a
// person, or why it does not hold.
type step struct {
	title string
	do    func(context.Context) (string, error)
}

// walk carries what the steps share.
type walk struct {
	kubectl    kubectl
	meshwright string
	manifests  string
	operator   string
	istioCRDs  string
	outage     time.Duration
	// rate is that of the load during updates, in requests a second; length is how
	// long one canary after the other goes on beside those of the walk.
	rate   int
	length time.Duration

	// set by findIngress: http://node:port of the ingress gateway
	ingress string
}

func (w *walk) run(ctx context.Context, steps []step) error {
	begin := time.Now()
	for i, s := range steps {
		fmt.Printf("\n\033[1m%d/%d %s\033[0m\n", i+1, len(steps), s.title)
		started := time.Now()
		evidence, err := s.do(ctx)
		if evidence != "" {
			fmt.Println(indent(evidence))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		fmt.Printf("  ok, %.1f s\n", time.Since(started).Seconds())
	}
	fmt.Printf("\nAll %d steps held, in %.0f s. While its cluster is up, try:\n", len(steps), time.Since(begin).Seconds())
	fmt.Println(indent(w.next()))
	return nil
}

func (w *walk) next() string {
	return fmt.Sprintf(`export KUBECONFIG=%s
%s get meshinstall,meshrevision
%s proxies
curl -H 'Host: shop.example' %s/
make cluster-down CLUSTER=demo    # stops the demo's cluster and removes all of it`,
		w.kubectl.kubeconfig, w.kubectl.binary, w.meshwright, w.ingress)
}
