package envoy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// timeout bounds every wait; it is long because the machine may be building at
// the same time.
const timeout = time.Minute

// Proxy is a running Envoy. Its methods may be used concurrently.
type Proxy struct {
	// Admin is the address of the admin interface, host:port.
	Admin string

	cmd    *exec.Cmd
	log    *lockedBuffer
	exited chan struct{} // closed when the process has ended
}

// Start runs Envoy with a bootstrap in JSON until the test ends, and returns
// when it has workers and its first configuration (/ready). An admin address in
// the bootstrap is replaced by one on loopback with a free port. Envoy's log
// is shown when the test fails.
func Start(t testing.TB, bootstrap []byte) *Proxy {
	t.Helper()
	proxy := StartUnready(t, bootstrap)
	proxy.WaitReady(t)
	return proxy
}

// StartUnready is Start for an Envoy that shall not be ready at once: it returns
// when the admin interface answers.
func StartUnready(t testing.TB, bootstrap []byte) *Proxy {
	t.Helper()
	dir := t.TempDir()
	admin := filepath.Join(dir, "admin")
	config := filepath.Join(dir, "bootstrap.json")
	bootstrap, err := withAdmin(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	// Without hot restart several proxies need no number of their own.
	proxy := run(t, "--config-path", config, "--admin-address-path", admin,
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "info")
	proxy.wait(t, "its admin interface", func() error {
		address, err := os.ReadFile(admin)
		if err != nil {
			return err
		}
		if len(address) == 0 {
			return errors.New("no admin address yet")
		}
		proxy.Admin = strings.TrimSpace(string(address))
		_, err = proxy.get(t.Context(), "/server_info")
		return err
	})
	return proxy
}

// run starts Envoy; it ends with the test.
func run(t testing.TB, args ...string) *Proxy {
	t.Helper()
	proxy := &Proxy{log: &lockedBuffer{}, exited: make(chan struct{})}
	proxy.cmd = exec.Command(assets.Path(t, "envoy"), args...)
	proxy.cmd.Stdout, proxy.cmd.Stderr = proxy.log, proxy.log
	// A test that is killed runs no cleanup.
	proxy.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := proxy.cmd.Start(); err != nil {
		t.Fatalf("start Envoy: %v", err)
	}
	go func() {
		proxy.cmd.Wait() //nolint:errcheck // the state is in cmd
		close(proxy.exited)
	}()
	t.Cleanup(func() {
		proxy.Stop()
		if t.Failed() {
			t.Logf("log of Envoy:\n%s", proxy.Log())
		}
	})
	return proxy
}

// Stop kills the process and waits for its end. It may be called again.
func (p *Proxy) Stop() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.exited
}

// Log is what Envoy has printed so far.
func (p *Proxy) Log() string { return p.log.String() }

// WaitReady waits until /ready answers 200.
func (p *Proxy) WaitReady(t testing.TB) {
	t.Helper()
	p.wait(t, "readiness", func() error {
		_, err := p.get(t.Context(), "/ready")
		return err
	})
}

// wait calls done until it returns nil; it ends the test when Envoy exits
// before, or when the time is over.
func (p *Proxy) wait(t testing.TB, what string, done func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("wait for %s of Envoy: it has ended: %s", what, p.cmd.ProcessState)
		case <-ctx.Done():
			t.Fatalf("wait for %s of Envoy: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Validate ends the test when Envoy does not accept the bootstrap, in JSON. It
// opens no port and dials nobody.
func Validate(t testing.TB, bootstrap []byte) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "bootstrap.json")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := run(t, "--mode", "validate", "--config-path", config)
	select {
	case <-proxy.exited:
	case <-time.After(timeout):
		t.Fatal("validate a bootstrap: Envoy does not end")
	}
	if !proxy.cmd.ProcessState.Success() {
		t.Fatalf("validate a bootstrap: %s", proxy.cmd.ProcessState)
	}
}

func withAdmin(bootstrap []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(bootstrap, &fields); err != nil {
		return nil, fmt.Errorf("read the bootstrap: %w", err)
	}
	fields["admin"] = json.RawMessage(`{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}`)
	return json.Marshal(fields)
}

// lockedBuffer is a buffer for one writer and many readers.
type lockedBuffer struct {
	lock   sync.Mutex
	buffer bytes.Buffer
}

// Write appends.
func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.buffer.Write(data)
}

// String is all that was written.
func (b *lockedBuffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.buffer.String()
}
