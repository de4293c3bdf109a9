package rollout_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

var wish = &v1alpha1.Gates{
	ControlPlaneReady: ptr.To(true), ProxiesConnected: ptr.To[v1alpha1.Ratio]("0.9"), ConfigAcknowledged: ptr.To[v1alpha1.Ratio]("0.999"),
	PushLatencyP99: &metav1.Duration{Duration: time.Second}, WorkloadsReady: ptr.To(true), InjectionDryRun: ptr.To(true),
	Queries: []v1alpha1.QueryGate{{Name: "errors", Op: "<=", Value: "0.01"}},
}

// good are signals that open every gate.
func good() rollout.Signals {
	return rollout.Signals{
		Running: 10, Connected: 10, Acknowledged: 10, PushP99: 20 * time.Millisecond, Tried: true, Injected: "prod-2",
		Workloads: &v1alpha1.WorkloadsStatus{Total: 3, Moved: 3}, Queries: []rollout.Answer{{Value: 0.001}},
	}
}

func TestGates(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*rollout.Signals)
		// shut is the gate that is shut, empty for none.
		shut, value, says string
		final             bool
	}{
		"all is well":                        {func(*rollout.Signals) {}, "", "", "", false},
		"a mesh without pods yet":            {func(s *rollout.Signals) { s.Running, s.Connected, s.Acknowledged = 0, 0, 0 }, "", "", "", false},
		"nine of ten are enough for 0.9":     {func(s *rollout.Signals) { s.Connected, s.Acknowledged = 9, 9 }, "", "", "", false},
		"eight of ten are not":               {func(s *rollout.Signals) { s.Connected, s.Acknowledged = 8, 8 }, "proxiesConnected", "0.8", "8 of 10 running pods", false},
		"proxies of pods that end count not": {func(s *rollout.Signals) { s.Connected, s.Acknowledged = 12, 12 }, "", "", "", false},
		"a proxy that does not answer":       {func(s *rollout.Signals) { s.Acknowledged = 9 }, "configAcknowledged", "0.9", "9 of 10 connected proxies", false},
		"a proxy that refuses":               {func(s *rollout.Signals) { s.Acknowledged, s.Rejected = 9, "front refuses x: no" }, "configAcknowledged", "0.9", "front refuses x: no", true},
		"slow pushes":                        {func(s *rollout.Signals) { s.PushP99 = 3 * time.Second }, "pushLatencyP99", "3s", "", false},
		"a component that is down":           {func(s *rollout.Signals) { s.ControlPlane = "Deployment x: 0 of 1" }, "controlPlaneReady", "false", "0 of 1", false},
		"a component that restarted":         {func(s *rollout.Signals) { s.Restarted = "OOMKilled" }, "controlPlaneReady", "false", "OOMKilled", true},
		"an owner that did not come back":    {func(s *rollout.Signals) { s.Workloads.Failed = 1 }, "workloadsReady", "1 failed", "", false},
		"another revision's proxy":           {func(s *rollout.Signals) { s.Injected = "prod-1" }, "injectionDryRun", "prod-1", "another revision", false},
		"no proxy":                           {func(s *rollout.Signals) { s.Injected = "" }, "injectionDryRun", "none", "no proxy", false},
		"a pod that is refused":              {func(s *rollout.Signals) { s.Injection = "denied" }, "injectionDryRun", "refused", "denied", false},
		"no namespace to try a pod in":       {func(s *rollout.Signals) { s.Tried, s.Injected = false, "" }, "", "", "", false},
		"a query above its value":            {func(s *rollout.Signals) { s.Queries[0].Value = 0.02 }, "errors", "0.02", "", false},
		"a query without an answer":          {func(s *rollout.Signals) { s.Queries[0] = rollout.Answer{Problem: "away"} }, "errors", "unknown", "away", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signals := good()
			tc.change(&signals)
			var found []string
			for _, g := range rollout.Gates(wish, "prod-2", signals) {
				if g.OK {
					continue
				}
				found = append(found, g.Name)
				if g.Value != tc.value || !strings.Contains(g.Message, tc.says) || g.Final != tc.final {
					t.Errorf("gate is %+v", g)
				}
			}
			if got := strings.Join(found, " "); got != tc.shut {
				t.Errorf("shut are %q, want %q", got, tc.shut)
			}
		})
	}
}

func TestADiscoveryThatCannotBeAskedShutsWhatItWouldSay(t *testing.T) {
	t.Parallel()
	signals := good()
	signals.Discovery = "no pod is ready"
	n := 0
	for _, g := range rollout.Gates(wish, "prod-2", signals) {
		if !g.OK && g.Value == "unknown" && g.Message == "no pod is ready" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d gates are shut for it, want 3", n)
	}
}

func TestGatesThatAreOffAreNotMeasured(t *testing.T) {
	t.Parallel()
	if got := rollout.Gates(&v1alpha1.Gates{ControlPlaneReady: ptr.To(false)}, "prod-2", rollout.Signals{}); got == nil || len(got) != 0 {
		t.Errorf("gates are %v", got)
	}
}
