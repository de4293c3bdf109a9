package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/hack/cluster/images"
	"github.com/meshwright/meshwright/hack/cluster/lockfile"
)

// startTimeout bounds the wait for a cluster that has all its programs.
const startTimeout = 4 * time.Minute

// Start brings the cluster up and returns when its node is Ready and its name
// server answers. A cluster that runs already is left as it is; the rest of one
// that died is removed first. When Start fails, or ctx ends, it stops what it
// started; logs stay. The programs must be built and the packages installed.
func Start(ctx context.Context, c Cluster, out io.Writer) (err error) {
	unlock, err := lockfile.Acquire(out, c.Dir+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if s, err := c.readState(); err == nil && s.Init.alive() {
		fmt.Fprintf(out, "%s: runs already\n", c.Name)
		return c.awaitReady(ctx, out, s)
	}
	start := time.Now()
	if err := c.stop(); err != nil {
		return err
	}
	archives, err := nodeImages(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start %s (logs in %s): %w", c.Name, c.path("log"), err), c.stop())
		}
	}()
	s, err := c.launch(out, archives)
	if err != nil {
		return err
	}
	if err := c.awaitReady(ctx, out, s); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: ready in %s, KUBECONFIG=%s\n", c.Name, time.Since(start).Round(100*time.Millisecond), c.Kubeconfig())
	return nil
}

// Running says whether the cluster's first process lives.
func (c Cluster) Running() bool {
	s, err := c.readState()
	return err == nil && s.Init.alive()
}

func nodeImages(ctx context.Context) ([]string, error) {
	pause, err := images.Pause(ctx)
	if err != nil {
		return nil, err
	}
	dns, err := images.CoreDNS()
	if err != nil {
		return nil, err
	}
	return []string{pause.Path, dns.Path}, nil
}

// launch starts the first process and connects it. One cluster at a time looks
// for addresses that are free.
func (c Cluster) launch(out io.Writer, archives []string) (s state, err error) {
	for _, dir := range []string{"pki", "log", "lib"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return s, fmt.Errorf("create the folder of %s: %w", c.Name, err)
		}
	}
	unlock, err := lockfile.Acquire(out, filepath.Join(filepath.Dir(c.Dir), ".addresses.lock"))
	if err != nil {
		return s, err
	}
	defer unlock()
	slot, err := freeSlot()
	if err != nil {
		return s, err
	}
	if err := createCgroup(c.cgroup()); err != nil {
		return s, err
	}
	programs, err := programPaths()
	if err != nil {
		return s, err
	}
	first, started, err := c.startInit()
	if err != nil {
		return s, err
	}
	defer started.Close() //nolint:errcheck // an end without the word ends the process
	s = state{Slot: slot, Init: first, Programs: programs, Images: archives}
	if err := errors.Join(c.writeState(s), c.writeFiles(slot), c.writePKI(slot)); err != nil {
		return s, err
	}
	if err := connect(c.Link(), slot, first.PID); err != nil {
		return s, err
	}
	if _, err := started.Write([]byte{1}); err != nil {
		return s, fmt.Errorf("tell the first process to go on: %w", err)
	}
	return s, nil
}

// startInit starts this program again as the first process of new namespaces.
// It waits for a byte on the pipe that is returned.
func (c Cluster) startInit() (first Process, started *os.File, err error) {
	log, err := os.Create(c.path("log", "init.log"))
	if err != nil {
		return first, nil, fmt.Errorf("create the log of init: %w", err)
	}
	defer log.Close() //nolint:errcheck // the process writes it
	wait, started, err := os.Pipe()
	if err != nil {
		return first, nil, fmt.Errorf("start init: %w", err)
	}
	defer wait.Close() //nolint:errcheck // the process has its own
	cmd := exec.Command("/proc/self/exe", "init", c.Name)
	cmd.Args[0] = "meshwright-cluster" // what ps shows
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.ExtraFiles = []*os.File{wait} // descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, // Ctrl-C at the terminal is not for it
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return first, nil, errors.Join(fmt.Errorf("start init: %w", err), started.Close())
	}
	first, err = processOf(cmd.Process.Pid)
	return first, started, err
}

// awaitReady waits for the steps of a start and shows them.
func (c Cluster) awaitReady(ctx context.Context, out io.Writer, s state) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	start := time.Now()
	for _, step := range []struct {
		name string
		done func(context.Context) error
	}{
		{"API server answers", func(ctx context.Context) error { return apiReady(ctx, c.Kubeconfig()) }},
		{"name server applied", c.applyDNS},
		{"node is Ready", func(ctx context.Context) error {
			return c.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=5s", "node", c.NodeName())
		}},
		{"name server is Available", func(ctx context.Context) error {
			return c.kubectl(ctx, "-n", "kube-system", "wait", "--for=condition=Available", "--timeout=5s", "deployment/coredns")
		}},
	} {
		err := waitFor(ctx, func(ctx context.Context) error {
			if !s.Init.alive() {
				cancel()
				return errors.New("its first process has ended: " + c.tail("init"))
			}
			return step.done(ctx)
		})
		if err != nil {
			return fmt.Errorf("wait until %s: %w", step.name, err)
		}
		fmt.Fprintf(out, "%s: %s (%.1f s)\n", c.Name, step.name, time.Since(start).Seconds())
	}
	return nil
}

func (c Cluster) applyDNS(ctx context.Context) error {
	return c.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-f", c.path("coredns.yaml"))
}
