//go:build e2e

package restart

import (
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

const (
	// rate is of each way of load, in calls a second: two cores bear ten of them.
	rate = 10
	// around is how long they go on before and after what is done under them.
	around = 3 * time.Second
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
// became of them. The loads begin before, and go on until after it.
func (w *world) under(t *testing.T, namespace, from string, loads []load, do func()) []tally {
	t.Helper()
	out, errs := make([]tally, len(loads)), make([]error, len(loads))
	held, release := holds(len(loads))
	var group sync.WaitGroup
	for i, l := range loads {
		group.Go(func() {
			var printed string
			printed, errs[i] = w.RunWith(t.Context(), held[i], "--namespace", namespace, "exec", "--stdin", from, "--container", "app", "--", "/usr/local/bin/app",
				"load", "-way", l.way, "-rate", strconv.Itoa(rate), "-callers", "5", "-for", (4 * e2e.Timeout).String(), "-held", l.address)
			if errs[i] == nil {
				errs[i] = json.Unmarshal([]byte(printed), &out[i])
			}
		})
	}
	// kubectl ends when its standard input does; what do runs into must end it too.
	defer group.Wait()
	defer release()
	time.Sleep(around)
	do()
	time.Sleep(around)
	release()
	group.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s: %v", loads[i].way, err)
		}
	}
	return out
}

// holds are standard inputs that end when release is called.
func holds(n int) (inputs []io.Reader, release func()) {
	var writers []*io.PipeWriter
	for range n {
		r, w := io.Pipe()
		inputs, writers = append(inputs, r), append(writers, w)
	}
	return inputs, func() {
		for _, w := range writers {
			_ = w.Close()
		}
	}
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
		if r.Lost > 0 || r.Sent < rate*int(around/time.Second) {
			t.Errorf("%s %s: lost %d of %d calls: %v", loads[i].way, loads[i].address, r.Lost, r.Sent, r.Errors)
		}
	}
	if len(pods) < 2 {
		t.Errorf("only %v answered: nothing has restarted", pods)
	}
}
