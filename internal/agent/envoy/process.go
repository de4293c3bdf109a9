package envoy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Options are how Envoy is started.
type Options struct {
	// Path is the program.
	Path string
	// ConfigPath is the bootstrap, JSON, in a file that ends in .json.
	ConfigPath string
	// LogLevel is Envoy's: trace, debug, info, warning, error, critical, off.
	LogLevel string
	// Concurrency is the number of worker threads, at least 1.
	Concurrency int
	// DrainTime is how long connections of a filter chain or listener that was
	// replaced live on; whole seconds.
	DrainTime time.Duration
	// V6 makes Envoy report an IPv6 address as its own.
	V6 bool
}

// args are Envoy's command line. Drain strategy "immediate": connections are
// told to go at the beginning of the drain time, not at random within it, for
// at the end of a pod there are seconds only.
func (o *Options) args() []string {
	version := "v4"
	if o.V6 {
		version = "v6"
	}
	return []string{
		"--config-path", o.ConfigPath,
		"--concurrency", strconv.Itoa(o.Concurrency),
		"--log-level", o.LogLevel,
		"--drain-time-s", strconv.Itoa(int(o.DrainTime / time.Second)),
		"--drain-strategy", "immediate",
		"--local-address-ip-version", version,
		// The agent never restarts it hot, and shared memory is not writable.
		"--disable-hot-restart",
	}
}

// Process is a running Envoy. Its methods may be used concurrently.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// Start runs Envoy; what it prints goes to our own standard error.
func Start(o Options) (*Process, error) {
	cmd := exec.Command(o.Path, o.args()...) //nolint:gosec,noctx // ended by Stop
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	// A group of its own: a terminal's interrupt reaches the agent alone, which
	// drains first. An agent that is killed takes Envoy with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the death signal to the thread that started Envoy.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start Envoy: %w", err)
	}
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended, nil if well; call it after Done.
func (p *Process) Err() error { return p.err }

// Stop ends the process: SIGTERM, and SIGKILL if it is still there after grace.
// It returns when the process is gone.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Envoy: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill Envoy: %w", err)
	}
	<-p.done
	return nil
}
