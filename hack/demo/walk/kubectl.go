package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// kubectl runs the kubectl that belongs to the cluster, with its kubeconfig and
// no other.
type kubectl struct {
	binary, kubeconfig string
}

func (k kubectl) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.binary, append([]string{"--kubeconfig=" + k.kubeconfig}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG=")
	// kubectl is told to end, not killed, so that it ends what it started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// out returns what kubectl printed; the error carries its last words.
func (k kubectl) out(ctx context.Context, args ...string) (string, error) {
	cmd := k.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// exec runs the demo's client inside a pod of a Deployment.
func (k kubectl) exec(ctx context.Context, namespace, deployment string, args ...string) (string, error) {
	full := append([]string{"-n", namespace, "exec", "deploy/" + deployment, "-c", container(deployment), "--"}, args...)
	return k.out(ctx, full...)
}

// container is the application's container of the demo's Deployments.
func container(deployment string) string {
	name, _, _ := strings.Cut(deployment, "-")
	return name
}

// load runs N requests inside a pod and returns the count.
func (k kubectl) load(ctx context.Context, deployment string, rate int, args ...string) (tally, error) {
	full := []string{"demo-app", "load"}
	if rate > 0 {
		full = []string{"demo-app", "load", fmt.Sprintf("rate=%d", rate)}
	}
	out, err := k.exec(ctx, "shop", deployment, append(full, args...)...)
	if err != nil {
		return tally{}, err
	}
	var t tally
	return t, json.Unmarshal([]byte(out), &t)
}

// tally is what the demo's client counted.
type tally struct {
	Requests   int            `json:"requests"`
	Errors     int            `json:"errors"`
	Status     map[string]int `json:"status"`
	Versions   map[string]int `json:"versions"`
	Hosts      map[string]int `json:"hosts"`
	FirstError string         `json:"firstError"`
	// Slowest is in seconds.
	Slowest     float64 `json:"slowest"`
	OverASecond int     `json:"overASecond"`
}

// eventually asks again until f holds, and returns its last answer.
func eventually(ctx context.Context, limit time.Duration, f func() (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		out, err := f()
		if err == nil {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return out, errors.Join(err, fmt.Errorf("waited %v", limit))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
}
