package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// restartAfter is the time between a program's end and its next start.
	restartAfter = time.Second
	// pollEvery is the time between two looks at something that is awaited.
	pollEvery = 100 * time.Millisecond
)

// Supervise starts the programs of a cluster, each as soon as what it needs is
// there, and starts again what ends. It runs inside the cluster's namespaces
// and returns only when ctx is done.
func Supervise(ctx context.Context, c Cluster) error {
	s, err := c.readState()
	if err != nil {
		return err
	}
	// containerd looks for its shim, and programs for those of the system.
	path := filepath.Dir(s.Programs["containerd"]) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if err := os.Setenv("PATH", path); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var programs sync.WaitGroup
	defer programs.Wait()
	defer cancel()
	run := func(list ...program) {
		for _, p := range list {
			programs.Go(func() { c.keepRunning(ctx, s.Programs[p.name], p) })
		}
	}
	run(c.etcd(), c.containerd(), c.apiServer(s.Slot))
	if err := importAll(ctx, s); err != nil {
		return err
	}
	if err := waitFor(ctx, func(ctx context.Context) error {
		return apiReady(ctx, c.path("pki", "kube-controller-manager.conf"))
	}); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	run(c.controllerManager(s.Slot), c.scheduler(), c.kubelet(s.Slot), c.proxy())
	<-ctx.Done()
	return nil
}

// keepRunning runs a program until ctx is done. What it prints goes to its log.
func (c Cluster) keepRunning(ctx context.Context, path string, p program) {
	for ctx.Err() == nil {
		err := c.runOnce(ctx, path, p)
		fmt.Printf("%s ended: %v\n", p.name, err)
		select {
		case <-ctx.Done():
		case <-time.After(restartAfter):
		}
	}
}

func (c Cluster) runOnce(ctx context.Context, path string, p program) error {
	log, err := os.OpenFile(c.path("log", p.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer log.Close() //nolint:errcheck // the program writes it
	cmd := exec.CommandContext(ctx, path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// waitFor calls done until it returns nil, and returns its last error when ctx
// is over.
func waitFor(ctx context.Context, done func(context.Context) error) error {
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}

// apiReady asks the API server whether it has started whole, the rights of
// Kubernetes' own components included.
func apiReady(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	config.Timeout = 5 * time.Second
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz: %s", response.Status)
	}
	return nil
}
