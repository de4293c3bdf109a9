package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The versions of the walk through updates. The operator is that of the second;
// the discovery of the third sends each proxy a cluster that Envoy refuses.
const (
	firstVersion, goodVersion, brokenVersion = "v0.1.0", "v0.2.0", "v0.2.1"
	repository                               = "docker.io/meshwright/meshwright:"
	// upgradePatience bounds one update with all its restarts.
	upgradePatience = 8 * time.Minute
)

func (w *walk) upgradeSteps() []step {
	steps := []step{
		{"Install Istio's CRDs and the operator of " + goodVersion, w.installNewOperator},
		{"A mesh of " + firstVersion + " that is updated by canary", func(ctx context.Context) (string, error) { return w.installMeshFrom(ctx, "11-mesh-canary.yaml") }},
		{"Deploy the shop, and a namespace that goes first", w.deployShopAndDev},
		{"Through the ingress gateway: front → back → db", w.throughIngress},
		{"One commit: version " + goodVersion + ", under load", w.upgradeGood},
		{"One commit: version " + brokenVersion + ", which is broken, under load", w.upgradeBroken},
		{"One commit, and the same reverted, under load", w.upgradeAndRevert},
	}
	if w.length > 0 {
		steps = append(steps, step{fmt.Sprintf("One configuration after the other, under load, for %s", w.length), w.upgradeOnAndOn})
	}
	return append(steps, step{"Who has what now", w.revisionsNow})
}

func (w *walk) installNewOperator(ctx context.Context) (string, error) {
	if out, err := w.installOperator(ctx); err != nil {
		return out, err
	}
	if _, err := w.kubectl.out(ctx, "-n", "meshwright-operator", "set", "image", "deployment/meshwright-operator", "operator="+repository+goodVersion); err != nil {
		return "", err
	}
	return w.kubectl.out(ctx, "-n", "meshwright-operator", "rollout", "status", "deployment", "--timeout=180s")
}

func (w *walk) deployShopAndDev(ctx context.Context) (string, error) {
	if _, err := w.kubectl.out(ctx, "apply", "-f", filepath.Join(w.manifests, "25-dev.yaml")); err != nil {
		return "", err
	}
	if out, err := w.deployShop(ctx); err != nil {
		return out, err
	}
	return w.kubectl.out(ctx, "-n", "dev", "wait", "deployment", "--all", "--for=condition=Available", "--timeout=180s")
}

// upgradeGood changes the version and waits until all of the mesh has it.
func (w *walk) upgradeGood(ctx context.Context) (string, error) {
	return w.underLoad(ctx, func(ctx context.Context) (string, error) {
		if err := w.commit(ctx, `{"version":"`+goodVersion+`"}`); err != nil {
			return "", err
		}
		return eventually(ctx, upgradePatience, func() (string, error) {
			active, err := w.status(ctx, "{.status.version} {.status.conditions[?(@.type==\"Ready\")].status}")
			if err == nil && active != goodVersion+" True" {
				err = fmt.Errorf("version and Ready are %q", active)
			}
			return "promoted: version and Ready are " + active, err
		})
	})
}

// upgradeBroken changes to the broken version and waits until all is put back.
func (w *walk) upgradeBroken(ctx context.Context) (string, error) {
	return w.underLoad(ctx, func(ctx context.Context) (string, error) {
		if err := w.commit(ctx, `{"version":"`+brokenVersion+`"}`); err != nil {
			return "", err
		}
		return eventually(ctx, upgradePatience, func() (string, error) {
			reason, err := w.status(ctx, "{.status.conditions[?(@.type==\"Stalled\")].reason} {.status.version} waiting={.status.update.workloads.waiting}")
			if err != nil {
				return "", err
			}
			if reason != "RolledBack "+goodVersion+" waiting=0" {
				return "", fmt.Errorf("reason, version and restarts are %q", reason)
			}
			why, err := w.status(ctx, "rolled back by itself: {.status.history[0].result}, gate {.status.history[0].reason}\n{.status.history[0].message}\nversion {.status.version} serves")
			return why, err
		})
	})
}

// upgradeOnAndOn has one canary after the other, each of another configuration,
// until the time is over.
func (w *walk) upgradeOnAndOn(ctx context.Context) (string, error) {
	return w.underLoad(ctx, func(ctx context.Context) (string, error) {
		canaries := 0
		for end := time.Now().Add(w.length); time.Now().Before(end); canaries++ {
			if err := w.reconfigure(ctx, canaries%2 == 0); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d canaries promoted", canaries), nil
	})
}

// upgradeAndRevert has a canary to another configuration, and one back to the
// revision that served before.
func (w *walk) upgradeAndRevert(ctx context.Context) (string, error) {
	return w.underLoad(ctx, func(ctx context.Context) (string, error) {
		for _, strict := range []bool{true, false} {
			if err := w.reconfigure(ctx, strict); err != nil {
				return "", err
			}
		}
		return w.status(ctx, "promoted twice: revision {.status.activeRevision} serves again")
	})
}

// reconfigure changes the outbound policy and waits until all of the mesh has it.
func (w *walk) reconfigure(ctx context.Context, strict bool) error {
	policy := map[bool]string{true: "RegistryOnly", false: "AllowAny"}[strict]
	if err := w.commit(ctx, fmt.Sprintf(`{"version":%q,"meshConfig":{"outboundTrafficPolicy":%q}}`, goodVersion, policy)); err != nil {
		return err
	}
	_, err := eventually(ctx, upgradePatience, func() (string, error) {
		ready, err := w.status(ctx, `{.metadata.generation} {.status.conditions[?(@.type=="Ready")].observedGeneration} {.status.conditions[?(@.type=="Ready")].status}`)
		if part := strings.Fields(ready); err == nil && (len(part) != 3 || part[0] != part[1] || part[2] != "True") {
			err = fmt.Errorf("generation, that of Ready, and Ready are %q", ready)
		}
		return "", err
	})
	return err
}

// commit changes the spec of the MeshInstall.
func (w *walk) commit(ctx context.Context, spec string) error {
	_, err := w.kubectl.out(ctx, "patch", "meshinstall/demo", "--type=merge", "--patch", `{"spec":`+spec+`}`)
	return err
}

func (w *walk) status(ctx context.Context, path string) (string, error) {
	return w.kubectl.out(ctx, "get", "meshinstall/demo", "-o", "jsonpath="+path)
}

// underLoad does something while requests go through the gateway and the live
// status is printed, and counts what was lost meanwhile.
func (w *walk) underLoad(ctx context.Context, do func(context.Context) (string, error)) (string, error) {
	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	counted := w.load(loadCtx)
	watch := exec.CommandContext(loadCtx, w.meshwright, "status", "-w", "--kubeconfig", w.kubectl.kubeconfig)
	watch.Stdout, watch.Stderr = os.Stdout, os.Stderr
	if err := watch.Start(); err != nil {
		return "", err
	}
	time.Sleep(2 * time.Second)
	evidence, err := do(ctx)
	time.Sleep(2 * time.Second)
	stop()
	_ = watch.Wait() // it is told to end
	t := <-counted
	evidence += fmt.Sprintf("\n%d requests at %d a second meanwhile, %d lost", t.Requests, w.rate, t.Errors)
	if err == nil && t.Errors > 0 {
		err = fmt.Errorf("lost requests:\n%s", strings.Join(t.reasons, "\n"))
	}
	if err == nil && t.Requests == 0 {
		err = errors.New("no request was sent")
	}
	return strings.TrimSpace(evidence), err
}

// losses are what became of a load, with the time and reason of each loss.
type losses struct {
	Requests, Errors int
	reasons          []string
}

// load sends requests through the gateway until ctx ends, and then says how
// they went.
func (w *walk) load(ctx context.Context) <-chan losses {
	out := make(chan losses, 1)
	go func() {
		var mu sync.Mutex
		var wait sync.WaitGroup
		var t losses
		tick := time.NewTicker(time.Second / time.Duration(w.rate))
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-tick.C:
				wait.Go(func() {
					// A request that is under way at the end is waited for.
					_, err := w.fromOutside(context.WithoutCancel(ctx))
					mu.Lock()
					defer mu.Unlock()
					t.Requests++
					if err != nil {
						t.Errors++
						t.reasons = append(t.reasons, time.Now().Format(time.TimeOnly)+" "+err.Error())
					}
				})
			}
		}
		wait.Wait()
		out <- t
	}()
	return out
}

func (w *walk) revisionsNow(ctx context.Context) (string, error) {
	records, err := w.kubectl.out(ctx, "get", "meshinstall,meshrevision")
	if err != nil {
		return records, err
	}
	history, err := w.status(ctx, "{range .status.history[*]}{.at}  {.result}  {.revision}  {.version}  {.reason}{\"\\n\"}{end}")
	return records + "\n\nhistory, newest first:\n" + history, err
}
