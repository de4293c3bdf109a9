package rollout

import (
	"fmt"
	"strconv"
	"time"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Gate is one gate as measured.
type Gate struct {
	Name, Value, Threshold string
	OK                     bool
	// Message says why it is shut.
	Message string
	// Final is true for a gate that will not open by waiting.
	Final bool
}

// Signals are what was measured of the new revision.
type Signals struct {
	// ControlPlane is empty while discovery and injector are up, else what is
	// missing. Restarted names a container that restarted since the update began.
	ControlPlane, Restarted string
	// Running is the number of running pods with a proxy of the revision, those
	// of its gateways among them.
	Running int
	// Discovery is why discovery could not be asked; then what follows is nothing.
	Discovery string
	// Connected is the number of proxies connected to it, Acknowledged of those
	// that took all that was sent and refuse nothing. Rejected is what a proxy
	// said of what it refused.
	Connected, Acknowledged int
	Rejected                string
	// PushP99 is the time in which 99 of 100 responses were acknowledged.
	PushP99 time.Duration
	// Tried is true when a pod was created in a dry run. Injected is the revision
	// whose proxy it got; Injection is why there was no pod.
	Tried               bool
	Injected, Injection string
	// Workloads are those that are restarted; nil when none are.
	Workloads *v1alpha1.WorkloadsStatus
	// Queries are the answers to those in the spec, in their order.
	Queries []Answer
}

// Answer is what Prometheus said: the sample that compares worst, or why there
// is none.
type Answer struct {
	Value   float64
	Problem string
}

// Gates holds the signals of a revision against the wish. It is never nil.
func Gates(wish *v1alpha1.Gates, revision string, s Signals) []Gate {
	out := []Gate{}
	if on(wish.ControlPlaneReady) {
		out = append(out, s.controlPlane())
	}
	if wish.ProxiesConnected != nil {
		out = append(out, s.connected(*wish.ProxiesConnected))
	}
	if wish.ConfigAcknowledged != nil {
		out = append(out, s.acknowledged(*wish.ConfigAcknowledged))
	}
	if wish.PushLatencyP99 != nil {
		out = append(out, s.latency(wish.PushLatencyP99.Duration))
	}
	if on(wish.WorkloadsReady) && s.Workloads != nil {
		out = append(out, Gate{Name: "workloadsReady", Value: fmt.Sprintf("%d failed", s.Workloads.Failed), Threshold: "0 failed", OK: s.Workloads.Failed == 0})
	}
	if on(wish.InjectionDryRun) && s.Tried {
		out = append(out, s.injection(revision))
	}
	for i, q := range wish.Queries {
		out = append(out, s.query(q, i))
	}
	return out
}

func on(b *bool) bool { return b != nil && *b }

func (s Signals) controlPlane() Gate {
	g := Gate{Name: "controlPlaneReady", Value: "true", Threshold: "true", OK: true}
	switch {
	case s.Restarted != "":
		g.Value, g.OK, g.Final, g.Message = "false", false, true, s.Restarted
	case s.ControlPlane != "":
		g.Value, g.OK, g.Message = "false", false, s.ControlPlane
	}
	return g
}

// unasked shuts a gate whose signal could not be had.
func (s Signals) unasked(name, threshold string) Gate {
	return Gate{Name: name, Value: "unknown", Threshold: threshold, Message: s.Discovery}
}

func (s Signals) connected(least v1alpha1.Ratio) Gate {
	const name = "proxiesConnected"
	if s.Discovery != "" {
		return s.unasked(name, string(least))
	}
	// A pod may be connected and not running any more, or not yet.
	g := ratio(name, min(s.Connected, s.Running), s.Running, least)
	if !g.OK {
		g.Message = fmt.Sprintf("%d of %d running pods with its proxy are connected", s.Connected, s.Running)
	}
	return g
}

func (s Signals) acknowledged(least v1alpha1.Ratio) Gate {
	const name = "configAcknowledged"
	if s.Discovery != "" {
		return s.unasked(name, string(least))
	}
	g := ratio(name, s.Acknowledged, s.Connected, least)
	if !g.OK {
		g.Message = fmt.Sprintf("%d of %d connected proxies took their configuration", s.Acknowledged, s.Connected)
		if s.Rejected != "" {
			// What was refused alone stays refused until it changes.
			g.Final, g.Message = true, g.Message+"; "+s.Rejected
		}
	}
	return g
}

func ratio(name string, have, of int, least v1alpha1.Ratio) Gate {
	value := 1.0
	if of > 0 {
		value = float64(have) / float64(of)
	}
	threshold, _ := strconv.ParseFloat(string(least), 64) // the API server checked it
	return Gate{Name: name, Value: strconv.FormatFloat(value, 'f', -1, 32), Threshold: string(least), OK: value >= threshold}
}

func (s Signals) latency(most time.Duration) Gate {
	const name = "pushLatencyP99"
	if s.Discovery != "" {
		return s.unasked(name, most.String())
	}
	return Gate{Name: name, Value: s.PushP99.Round(time.Millisecond).String(), Threshold: most.String(), OK: s.PushP99 <= most}
}

func (s Signals) injection(revision string) Gate {
	g := Gate{Name: "injectionDryRun", Value: s.Injected, Threshold: revision, OK: s.Injected == revision}
	switch {
	case s.Injection != "":
		g.Value, g.OK, g.Message = "refused", false, s.Injection
	case s.Injected == "":
		g.Value, g.Message = "none", "a pod created in a dry run got no proxy"
	case !g.OK:
		g.Message = "a pod created in a dry run got another revision's proxy"
	}
	return g
}

func (s Signals) query(q v1alpha1.QueryGate, i int) Gate {
	g := Gate{Name: q.Name, Threshold: q.Op + " " + q.Value}
	if i >= len(s.Queries) || s.Queries[i].Problem != "" {
		g.Value = "unknown"
		if i < len(s.Queries) {
			g.Message = s.Queries[i].Problem
		}
		return g
	}
	value := s.Queries[i].Value
	g.Value = strconv.FormatFloat(value, 'g', 6, 64)
	g.OK = Compares(q, value)
	return g
}

// Compares reports whether a sample compares well with the value of a gate.
func Compares(q v1alpha1.QueryGate, sample float64) bool {
	value, err := strconv.ParseFloat(q.Value, 64)
	if err != nil {
		return false
	}
	switch q.Op {
	case "<":
		return sample < value
	case "<=":
		return sample <= value
	case ">":
		return sample > value
	case ">=":
		return sample >= value
	}
	return false
}
