package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/meshwright/meshwright/hack/cluster/node"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// program is this command, built for the tests.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "meshwright-cluster-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	program = filepath.Join(dir, "cluster")
	if printed, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, printed)
		return 1
	}
	return m.Run()
}

// cluster is a name that no other run uses; it is stopped when the test ends.
func cluster(t *testing.T, suffix string) node.Cluster {
	t.Helper()
	c, err := node.New("test-" + strconv.Itoa(os.Getpid()) + suffix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command(t, "down", c.Name)
		if err := os.RemoveAll(c.Dir); err != nil {
			t.Error(err)
		}
		if err := os.Remove(c.Dir + ".lock"); err != nil {
			t.Error(err)
		}
	})
	return c
}

func command(t *testing.T, args ...string) string {
	t.Helper()
	printed, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("cluster %s: %v\n%s", strings.Join(args, " "), err, printed)
	}
	return string(printed)
}

func kubectl(t *testing.T, c node.Cluster, args ...string) string {
	t.Helper()
	printed, err := exec.Command(assets.Path(t, "kubectl"), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, printed)
	}
	return string(printed)
}

func TestClustersRunBesideEachOtherAndLeaveNothing(t *testing.T) {
	before := machine(t)
	a, b := cluster(t, "-a"), cluster(t, "-b")
	for _, c := range []node.Cluster{a, b} {
		command(t, "up", c.Name)
		if nodes := kubectl(t, c, "get", "nodes", "--output=name"); nodes != "node/"+c.NodeName()+"\n" {
			t.Errorf("nodes of %s: %q", c.Name, nodes)
		}
		found := strings.Join(traces(t, c), " ")
		for _, kind := range []string{"processes", "cgroup", "interface", "file"} {
			if !strings.Contains(found, kind) {
				t.Errorf("a running cluster shows no %s but %s: the check after its end would prove little", kind, found)
			}
		}
	}
	if again := command(t, "up", a.Name); !strings.Contains(again, "runs already") {
		t.Errorf("second up printed %q", again)
	}
	command(t, "down", a.Name)
	if ready := kubectl(t, b, "get", "--raw=/readyz"); ready != "ok" {
		t.Errorf("%s after %s was stopped: %q", b.Name, a.Name, ready)
	}
	command(t, "down", b.Name)
	command(t, "down", b.Name) // nothing to do
	for _, c := range []node.Cluster{a, b} {
		if found := traces(t, c); len(found) > 0 {
			t.Errorf("left of %s: %v", c.Name, found)
		}
	}
	if after := machine(t); after != before {
		t.Errorf("machine before:\n%s\nafter:\n%s", before, after)
	}
}

func TestRunStopsItsClusterWhenTheCommandFails(t *testing.T) {
	c := cluster(t, "-run")
	run := exec.Command(program, "run", "--name", c.Name, "--",
		"/bin/sh", "-c", `echo "config $KUBECONFIG"; test -s "$KUBECONFIG" && exit 7`)
	printed, err := run.CombinedOutput()
	if err == nil || !strings.Contains(string(printed), "exit status 7") {
		t.Errorf("run of a command that fails: %v\n%s", err, printed)
	}
	if !strings.Contains(string(printed), "config "+c.Kubeconfig()+"\n") {
		t.Errorf("the command did not see the kubeconfig:\n%s", printed)
	}
	if found := traces(t, c); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
}

func TestDownCleansUpAfterAKilledCluster(t *testing.T) {
	c := cluster(t, "-killed")
	command(t, "up", c.Name)
	for _, pid := range processes(t, c) {
		// All but the first process end with it; order does not matter.
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	command(t, "down", c.Name)
	if found := traces(t, c); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
}

// traces is what of a cluster can be found on the machine.
func traces(t *testing.T, c node.Cluster) []string {
	t.Helper()
	var found []string
	if pids := processes(t, c); len(pids) > 0 {
		found = append(found, fmt.Sprintf("%d processes", len(pids)))
	}
	for _, pattern := range []string{"/sys/fs/cgroup/meshwright-" + c.Name + "*", "/sys/fs/cgroup/*/meshwright-" + c.Name + "*"} {
		groups, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, groups...)
	}
	if _, err := net.InterfaceByName(c.Link()); err == nil {
		found = append(found, "interface "+c.Link())
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(c.Dir)) {
		found = append(found, "mounts")
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != "log" {
			found = append(found, "file "+entry.Name())
		}
	}
	return found
}

// processes are those in the cluster's cgroup and those that name its folder.
func processes(t *testing.T, c node.Cluster) []int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, folder := range folders {
		groups, _ := os.ReadFile(filepath.Join(folder, "cgroup"))
		line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		if !bytes.Contains(groups, []byte("meshwright-"+c.Name)) && !bytes.Contains(line, []byte(c.Dir+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// machine is the state of this machine that a cluster must not change and that
// nobody else changes during the test.
func machine(t *testing.T) string {
	t.Helper()
	var state strings.Builder
	rules, err := exec.Command("/usr/sbin/nft", "list", "tables").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v\n%s", err, rules)
	}
	fmt.Fprintf(&state, "nft tables: %s\n", rules)
	for _, pattern := range []string{"/run/netns/*", "/var/lib/*", "/run/*", "/opt/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		fmt.Fprintf(&state, "%s: %v\n", pattern, names)
	}
	for _, setting := range []string{"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"} {
		value, err := os.ReadFile("/proc/sys/" + setting)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&state, "%s: %s", setting, value)
	}
	return state.String()
}
