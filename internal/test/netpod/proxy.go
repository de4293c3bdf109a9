package netpod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/redirect"
	"github.com/meshwright/meshwright/internal/redirect/capture"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// timeout bounds the wait for a proxy; the machine may be busy.
const timeout = time.Minute

// Folder makes one for the sockets and files of a pod's proxy, which its user
// may read, until the test ends. Its path is short, as sockets need it.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pod")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck,gosec // of the test only
	if err := os.Chown(dir, capture.ProxyID, capture.ProxyID); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Proxy is the Envoy of a pod.
type Proxy struct {
	admin *http.Client
	log   bytes.Buffer
}

// Capture runs Envoy in the pod as the proxy's user until the test ends, and
// returns when it has its first configuration. sidecar puts the rules of capture
// before it. Sockets that the bootstrap names are in the folder.
func (p *Pod) Capture(t testing.TB, folder string, bootstrap []byte, sidecar bool) *Proxy {
	t.Helper()
	admin, config := filepath.Join(folder, "admin"), filepath.Join(folder, "envoy.json")
	bootstrap = bytes.Replace(bootstrap, []byte("{"), fmt.Appendf(nil, `{"admin": {"address": {"pipe": {"path": %q}}},`, admin), 1)
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Chown(filepath.Join(folder, f.Name()), capture.ProxyID, capture.ProxyID); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Open(assets.Path(t, "envoy"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close() //nolint:errcheck // only read
	out := &Proxy{admin: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", admin)
	}}}}
	// By its descriptor: the proxy's user may not see the folder.
	envoy := exec.Command("/proc/self/fd/3", "--config-path", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning") //nolint:gosec,noctx // ended below
	envoy.Stdout, envoy.Stderr, envoy.ExtraFiles = &out.log, &out.log, []*os.File{program}
	envoy.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: capture.ProxyID, Gid: capture.ProxyID}}
	p.Do(t, func() error { return errors.Join(rules(sidecar), envoy.Start()) })
	t.Cleanup(func() {
		envoy.Process.Kill() //nolint:errcheck,gosec // it may have ended
		envoy.Wait()         //nolint:errcheck,gosec // it was killed
		if t.Failed() {
			t.Logf("log of the Envoy at %s:\n%s", p.IP, out.log.String())
		}
	})
	out.waitReady(t)
	return out
}

func rules(sidecar bool) error {
	if !sidecar {
		return nil
	}
	rules, err := capture.FromAnnotations(nil)
	if err != nil {
		return err
	}
	return redirect.Apply(rules.Rules())
}

func (p *Proxy) waitReady(t testing.TB) {
	t.Helper()
	var last string
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		status, body, err := p.ask("/ready")
		switch {
		case err != nil:
			last = err.Error()
		case status == http.StatusOK:
			return
		default:
			last = string(body)
		}
	}
	t.Fatalf("Envoy is not ready: %s", last)
}

// Admin is the answer of the admin interface.
func (p *Proxy) Admin(t testing.TB, path string) []byte {
	t.Helper()
	status, body, err := p.ask(path)
	if err != nil || status != http.StatusOK {
		t.Fatalf("ask Envoy for %s: %d %v", path, status, err)
	}
	return body
}

func (p *Proxy) ask(path string) (int, []byte, error) {
	response, err := p.admin.Get("http://admin" + path) //nolint:noctx // on this machine
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
