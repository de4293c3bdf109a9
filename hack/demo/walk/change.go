package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// scaleUp adds a pod to back-v2 and watches when a request first reaches it.
func (w *walk) scaleUp(ctx context.Context) (string, error) {
	before, err := w.podsOf(ctx, "app=back,version=v2")
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if _, err := w.kubectl.out(ctx, "-n", "shop", "scale", "deployment/back-v2", fmt.Sprintf("--replicas=%d", len(before)+1)); err != nil {
		return "", err
	}
	if _, err := w.kubectl.out(ctx, "-n", "shop", "rollout", "status", "deployment/back-v2", "--timeout=120s"); err != nil {
		return "", err
	}
	ready := time.Since(begin)
	after, err := w.podsOf(ctx, "app=back,version=v2")
	if err != nil {
		return "", err
	}
	var added string
	for _, p := range after {
		if !strings.Contains(strings.Join(before, " "), p) {
			added = p
		}
	}
	return eventually(ctx, time.Minute, func() (string, error) {
		t, err := w.kubectl.load(ctx, "front", 0, "200", "8", "http://back:8080/")
		if err != nil {
			return "", err
		}
		if t.Errors > 0 {
			return "", fmt.Errorf("%d errors: %s", t.Errors, t.FirstError)
		}
		if t.Hosts[added] == 0 {
			return "", fmt.Errorf("%s got no request yet", added)
		}
		return fmt.Sprintf("%s was Ready after %.1f s and had answered %d requests %.1f s after that",
			added, ready.Seconds(), t.Hosts[added], (time.Since(begin) - ready).Seconds()), nil
	})
}

func (w *walk) podsOf(ctx context.Context, selector string) ([]string, error) {
	out, err := w.kubectl.out(ctx, "-n", "shop", "get", "pods", "-l", selector,
		"--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}")
	return strings.Fields(out), err
}

// controlPlaneAway takes operator and discovery down, keeps requests going,
// kills one pod of back meanwhile, and counts what was lost.
func (w *walk) controlPlaneAway(ctx context.Context) (string, error) {
	operators, err := w.scaleAll(ctx, "meshwright-operator", "", nil)
	if err != nil {
		return "", err
	}
	discovery, err := w.scaleAll(ctx, "mesh-system", "meshwright.io/component=discovery", nil)
	if err != nil {
		return "", err
	}
	if _, err := w.kubectl.out(ctx, "-n", "mesh-system", "wait", "pods", "-l", "meshwright.io/component=discovery", "--for=delete", "--timeout=90s"); err != nil {
		return "", err
	}
	gone := time.Now()
	const rate = 20
	count := fmt.Sprint(int(w.outage.Seconds()) * rate)
	type result struct {
		t   tally
		err error
	}
	done := make(chan result, 1)
	go func() {
		t, err := w.kubectl.load(ctx, "front", rate, count, "16", "http://back:8080/")
		done <- result{t, err}
	}()
	time.Sleep(w.outage / 4)
	pods, err := w.podsOf(ctx, "app=back,version=v1")
	if err != nil || len(pods) == 0 {
		return "", errors.Join(err, errors.New("no pod of back-v1 to kill"))
	}
	if _, err := w.kubectl.out(ctx, "-n", "shop", "delete", "pod", pods[0], "--wait=false"); err != nil {
		return "", err
	}
	r := <-done
	down := time.Since(gone)
	if err := w.stillAway(ctx); err != nil {
		return "", err
	}
	if _, err := w.scaleAll(ctx, "mesh-system", "", discovery); err != nil {
		return "", err
	}
	if _, err := w.scaleAll(ctx, "meshwright-operator", "", operators); err != nil {
		return "", err
	}
	if r.err != nil {
		return "", r.err
	}
	evidence := fmt.Sprintf("control plane down for %.0f s, %s deleted meanwhile: %d requests, %d lost, slowest %.1f s, %d over a second",
		down.Seconds(), pods[0], r.t.Requests, r.t.Errors, r.t.Slowest, r.t.OverASecond)
	if r.t.Errors > 0 || r.t.Requests != int(w.outage.Seconds())*rate {
		return evidence, fmt.Errorf("lost requests: %s", r.t.FirstError)
	}
	if down < w.outage {
		return evidence, fmt.Errorf("the control plane was to be down for %v", w.outage)
	}
	back, err := w.recovered(ctx)
	return evidence + "\n" + back, err
}

// stillAway is an error if a pod of the control plane runs: the outage would
// not have been one.
func (w *walk) stillAway(ctx context.Context) error {
	out, err := w.kubectl.out(ctx, "-n", "mesh-system", "get", "pods", "-l", "meshwright.io/component=discovery", "-o", "name")
	if err != nil || out != "" {
		return errors.Join(err, fmt.Errorf("discovery runs during its outage: %q", out))
	}
	return nil
}

// recovered waits for what was away by its own pods: the conditions of the
// MeshInstall are those from before until the operator is back.
func (w *walk) recovered(ctx context.Context) (string, error) {
	begin := time.Now()
	for _, ns := range []string{"meshwright-operator", "mesh-system", "shop"} {
		if _, err := w.kubectl.out(ctx, "-n", ns, "wait", "deployment", "--all", "--for=condition=Available", "--timeout=180s"); err != nil {
			return "", err
		}
	}
	if _, err := w.kubectl.out(ctx, "wait", "meshinstall/demo", "--for=condition=Ready", "--timeout=180s"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f s after it was let back, every Deployment was Available, that of the replaced pod too", time.Since(begin).Seconds()), nil
}

// scaleAll sets the Deployments of a namespace to the given replicas, or to 0
// if none are given, and returns what they were.
func (w *walk) scaleAll(ctx context.Context, namespace, selector string, to map[string]int) (map[string]int, error) {
	text, err := w.kubectl.out(ctx, "-n", namespace, "get", "deployments", "-l", selector, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Replicas int }
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	was := map[string]int{}
	for _, d := range list.Items {
		n, named := to[d.Metadata.Name]
		if to != nil && !named {
			continue
		}
		was[d.Metadata.Name] = d.Spec.Replicas
		if _, err := w.kubectl.out(ctx, "-n", namespace, "scale", "deployment/"+d.Metadata.Name, fmt.Sprintf("--replicas=%d", n)); err != nil {
			return nil, err
		}
	}
	if len(was) == 0 {
		return nil, fmt.Errorf("no Deployment in %s with %q", namespace, selector)
	}
	return was, nil
}

// proxies asks discovery by the product's own verb.
func (w *walk) proxies(ctx context.Context) (string, error) {
	return eventually(ctx, time.Minute, func() (string, error) {
		text, err := w.run1(ctx, "proxies", "--kubeconfig", w.kubectl.kubeconfig, "-o", "json")
		if err != nil {
			return text, err
		}
		var list struct {
			Items []struct {
				Name   string
				Synced bool
				NACKs  int
			}
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return text, err
		}
		for _, p := range list.Items {
			if !p.Synced || p.NACKs != 0 {
				return "", fmt.Errorf("%s is not in sync, or refused something", p.Name)
			}
		}
		if len(list.Items) < 7 {
			return "", fmt.Errorf("%d proxies, expected at least 7", len(list.Items))
		}
		return w.run1(ctx, "proxies", "--kubeconfig", w.kubectl.kubeconfig)
	})
}

func (w *walk) run1(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, w.meshwright, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("meshwright %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
