//go:build e2e

package restart

import (
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	// rate is of each way of load, in calls a second: two cores bear ten of them.
	rate = 10
	// length is how long they go on.
	length = 30 * time.Second
)

// tally is what `app load` prints (hack/cluster/app).
type tally struct {
	Sent, Lost, Moved int
	Pods, Errors      map[string]int
	Slowest           time.Duration
}

// load is one way of calling an address.
type load struct{ way, address string }

// under does something while all loads run from a workload, and returns what
// became of them. The loads begin before, and go on after it.
func (w *world) under(t *testing.T, namespace, from string, loads []load, do func()) []tally {
	t.Helper()
	out, errs := make([]tally, len(loads)), make([]error, len(loads))
	var group sync.WaitGroup
	for i, l := range loads {
		group.Go(func() {
			var printed string
			printed, errs[i] = w.Run(t.Context(), "--namespace", namespace, "exec", from, "--container", "app", "--", "/usr/local/bin/app",
				"load", "-way", l.way, "-rate", strconv.Itoa(rate), "-callers", "5", "-for", length.String(), l.address)
			if errs[i] == nil {
				errs[i] = json.Unmarshal([]byte(printed), &out[i])
			}
		})
	}
	time.Sleep(2 * time.Second)
	begin := time.Now()
	do()
	if took := time.Since(begin); took > length-3*time.Second {
		t.Errorf("it took %s: the load was over before, and has counted nothing", took)
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s: %v", loads[i].way, err)
		}
	}
	return out
}

// noneLost checks that each call was answered, and that the load had a choice:
// more than one pod answered.
func noneLost(t *testing.T, loads []load, results []tally) {
	t.Helper()
	pods := map[string]bool{}
	for i, r := range results {
		for pod := range r.Pods {
			pods[pod] = true
		}
		t.Logf("%-8s sent %d, lost %d, moved %d, slowest %s, pods %v", loads[i].way, r.Sent, r.Lost, r.Moved, r.Slowest.Round(time.Millisecond), r.Pods)
		if r.Lost > 0 || r.Sent < rate*int(length/time.Second)*4/5 {
			t.Errorf("%s %s: lost %d of %d calls: %v", loads[i].way, loads[i].address, r.Lost, r.Sent, r.Errors)
		}
	}
	if len(pods) < 2 {
		t.Errorf("only %v answered: nothing has restarted", pods)
	}
}
