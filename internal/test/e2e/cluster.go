package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// Timeout bounds every wait for the cluster.
const Timeout = 2 * time.Minute

// AppImage is the workload of these tests, hack/cluster/app.
const AppImage = "docker.io/meshwright/app:v0.1.0"

// Cluster is the node that the tests run against. It may be used concurrently.
type Cluster struct {
	// Config connects as administrator.
	Config *rest.Config
	// Client does too.
	Client kubernetes.Interface

	kubeconfig, kubectl string
}

// Connect finds the cluster of this run. It ends the test when there is none:
// these tests are started by `make test-e2e`.
func Connect(t testing.TB) *Cluster {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	// Never a cluster of the user's: ours are all kept in the cache.
	cache, err := assets.Cache()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(path, cache+"/") {
		t.Fatalf("KUBECONFIG is %q, want that of a cluster of ours: run `make test-e2e`", path)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &Cluster{Config: config, Client: client, kubeconfig: path, kubectl: assets.Path(t, "kubectl")}
}

// Run is kubectl: it returns what it printed, and an error that has what it
// complained of.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return c.RunWith(ctx, strings.NewReader(""), args...)
}

// RunWith is Run with a standard input, which is to end, and with no time limit
// but the context's.
func (c *Cluster) RunWith(ctx context.Context, input io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Stdin = input
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return string(printed), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return string(printed), nil
}

// Kubectl is Run for what has to succeed.
func (c *Cluster) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	printed, err := c.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return printed
}

// Apply applies YAML, server-side, to a namespace. If it is "", each object says
// where it goes.
func (c *Cluster) Apply(t testing.TB, namespace, yaml string) {
	t.Helper()
	args := []string{"apply", "--server-side", "--filename", "-"}
	if namespace != "" {
		args = append(args, "--namespace", namespace)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	if _, err := c.RunWith(ctx, strings.NewReader(yaml), args...); err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
}

// Namespace creates a namespace with labels (name=value) that is deleted after
// the test, and returns its name.
func (c *Cluster) Namespace(t testing.TB, labels ...string) string {
	t.Helper()
	name := "e2e-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	c.Kubectl(t, "create", "namespace", name)
	if len(labels) > 0 {
		c.Kubectl(t, append([]string{"label", "namespace", name}, labels...)...)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context()) // it is over in a cleanup
		if t.Failed() {
			c.describe(ctx, t, name)
		}
		if _, err := c.Run(ctx, "delete", "namespace", name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// describe logs what a failed test leaves behind.
func (c *Cluster) describe(ctx context.Context, t testing.TB, namespace string) {
	for _, args := range [][]string{
		{"get", "all,endpointslices", "--output=wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "--selector=app", "--all-containers", "--tail=40", "--prefix", "--ignore-errors"},
	} {
		printed, err := c.Run(ctx, append([]string{"--namespace", namespace}, args...)...)
		t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, printed)
	}
}

// WaitRollout waits until workloads, such as deployment/front, are rolled out.
func (c *Cluster) WaitRollout(t testing.TB, namespace string, workloads ...string) {
	t.Helper()
	for _, workload := range workloads {
		c.Kubectl(t, "--namespace", namespace, "rollout", "status", workload, "--timeout", Timeout.String())
	}
}

// Eventually calls done until it returns nil, and ends the test with its last
// error when that takes too long.
func (c *Cluster) Eventually(t testing.TB, done func() error) {
	t.Helper()
	for deadline := time.Now().Add(Timeout); ; time.Sleep(200 * time.Millisecond) {
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", Timeout, err)
		}
	}
}

// Result is what the workload's client saw of one request.
type Result struct {
	Status  int                 `json:"status"`
	Error   string              `json:"error"`
	Headers map[string][]string `json:"headers"`
	// Body is the server's answer, if the server is the workload too.
	Body Answer `json:"-"`
	// Text is the answer as it came, in JSON.
	Text json.RawMessage `json:"body"`
}

// String is for messages of tests.
func (r Result) String() string {
	return fmt.Sprintf("%d %s %s", r.Status, r.Error, r.Text)
}

// Answer is what the workload's server tells of a request.
type Answer struct {
	Pod     string              `json:"pod"`
	Version string              `json:"version"`
	Method  string              `json:"method"`
	Host    string              `json:"host"`
	Path    string              `json:"path"`
	Peer    string              `json:"peer"`
	Headers map[string][]string `json:"headers"`
}

// Get sends requests from a workload, such as deployment/front, with the
// arguments of `app get` (hack/cluster/app), and returns one result for each.
func (c *Cluster) Get(t testing.TB, namespace, from string, args ...string) []Result {
	t.Helper()
	results, err := c.get(t.Context(), namespace, from, args)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Load is Get while the test does something else: the function that it returns
// waits for the end.
func (c *Cluster) Load(t testing.TB, namespace, from string, args ...string) func() []Result {
	t.Helper()
	var results []Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		results, err = c.get(t.Context(), namespace, from, args)
	}()
	return func() []Result {
		t.Helper()
		if <-done; err != nil {
			t.Fatal(err)
		}
		return results
	}
}

func (c *Cluster) get(ctx context.Context, namespace, from string, args []string) ([]Result, error) {
	printed, err := c.Run(ctx, append([]string{
		"--namespace", namespace, "exec", from, "--container", "app", "--", "/usr/local/bin/app", "get",
	}, args...)...)
	if err != nil {
		return nil, err
	}
	var results []Result
	for line := range strings.Lines(printed) {
		var result Result
		if err := json.Unmarshal([]byte(line), &result); err != nil {
			return nil, fmt.Errorf("read the result %q: %w", line, err)
		}
		if json.Unmarshal(result.Text, &result.Body) != nil {
			result.Body = Answer{} // somebody else's answer
		}
		results = append(results, result)
	}
	if len(results) == 0 {
		return nil, errors.New("the client printed no result")
	}
	return results, nil
}

// Greet returns the first line that a TCP server sends to a client in a
// workload, or an error when there is none.
func (c *Cluster) Greet(t testing.TB, namespace, from, address string) (string, error) {
	t.Helper()
	return c.Run(t.Context(), "--namespace", namespace, "exec", from, "--container", "app", "--", "/usr/local/bin/app", "greet", address)
}
