package rollout

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Input is all that the next state follows from.
type Input struct {
	Now time.Time
	// Generation is the MeshInstall's.
	Generation int64
	// Revision and Version are those that the mesh is given to.
	Revision, Version string
	// Update is the wish, complete as plan.UpdateOf makes it.
	Update *v1alpha1.Update
	// Before is the state as stored last.
	Before v1alpha1.MeshRevisionStatus
	// Ready is true once all of the revision is up and may be begun with. Down
	// is what of it is not up, as far as that is known.
	Ready bool
	Down  string
	// Namespaces are all of the mesh.
	Namespaces []Namespace
	// Gateways is true when there are some, to be switched in a last step.
	Gateways bool
	// Gates are as measured in the step under way; nil when they were not.
	Gates []Gate
	// Workloads and BlockedBy say how far the restarts of the step are.
	Workloads *v1alpha1.WorkloadsStatus
	BlockedBy []string
}

// Event is something that happened, to be told once.
type Event struct {
	Warning      bool
	Reason, Note string
}

// state is one call of Next.
type state struct {
	Input
	after  v1alpha1.MeshRevisionStatus
	events []Event
}

// Next is the state that follows, which shares nothing with the one before, and
// what is to be told of it. It takes one step at most. A revision that failed, or is paused, stays so until the
// MeshInstall has another generation. The error is a selector that cannot be read.
func Next(in Input) (v1alpha1.MeshRevisionStatus, []Event, error) {
	s := &state{Input: in, after: *in.Before.DeepCopy()}
	s.after.ObservedGeneration = in.Generation
	again := in.Before.ObservedGeneration != in.Generation
	switch phase := in.Before.Phase; {
	case phase == v1alpha1.RevisionActive && !again:
		return *in.Before.DeepCopy(), nil, nil
	case phase == v1alpha1.RevisionCanary && in.Before.Update != nil && in.Before.Result == nil:
		s.measure()
		s.judge()
	case phase == v1alpha1.RevisionCanary && in.Before.Update != nil && again:
		s.resume()
	case phase == v1alpha1.RevisionCanary && in.Before.Update != nil:
		return *in.Before.DeepCopy(), nil, nil
	case phase == v1alpha1.RevisionFailed && !again:
		return *in.Before.DeepCopy(), nil, nil
	default:
		s.begin()
	}
	return s.after, s.events, s.assign()
}

// steps is the number of steps, with that of the gateways.
func (s *state) steps() int {
	n := len(s.Update.Canary.Steps)
	if s.Gateways {
		n++
	}
	return n
}

// approved reports whether a step may be begun. The gateways follow the last
// step without a word.
func (s *state) approved(step int) bool {
	c := s.Update.Canary
	return *c.Approval != v1alpha1.ApprovalManual || step > len(c.Steps) || int(*c.ApprovedStep) >= step
}

// begin goes from nothing to the first step once the revision is up.
func (s *state) begin() {
	s.pend()
	if !s.Ready {
		s.await()
		return
	}
	s.after.Update = &v1alpha1.UpdateStatus{Steps: int32(s.steps())}
	if !s.approved(1) {
		s.after.Update.BlockedBy = []string{s.waitsForApproval(1)}
		return
	}
	s.after.Phase = v1alpha1.RevisionCanary
	s.after.Update.StartedAt = s.now()
	s.start(1)
}

func (s *state) pend() {
	s.after = v1alpha1.MeshRevisionStatus{ObservedGeneration: s.Generation, Phase: v1alpha1.RevisionPending, ProxiesConnected: s.after.ProxiesConnected}
}

// await gives a revision time to come up. Nothing has moved to it, so there is
// nothing to leave as it is: to pause is to wait.
func (s *state) await() {
	u := &v1alpha1.UpdateStatus{Steps: int32(s.steps()), StartedAt: s.now()}
	if before := s.Before.Update; s.Before.Phase == v1alpha1.RevisionPending && s.Before.ObservedGeneration == s.Generation && before != nil && before.StartedAt != nil {
		u.StartedAt = before.StartedAt
	}
	s.after.Update = u
	deadline := s.Update.Canary.ProgressDeadline.Duration
	if s.Down == "" || s.Now.Sub(u.StartedAt.Time) < deadline || *s.Update.Canary.OnFailure == v1alpha1.FailurePause {
		return
	}
	s.end(v1alpha1.HistoryRolledBack, v1alpha1.HistoryReasonNotUp, fmt.Sprintf("it did not come up within %s, and nothing had moved to it: %s", deadline, s.Down))
	s.after.Phase = v1alpha1.RevisionFailed
	s.tell(true, "RolledBack", "revision %s was rolled back: %s", s.Revision, s.after.Result.Message)
}

// Await is the state that follows for a revision that is activated as soon as
// it is up, and what is to be told of it. Only its time to come up is counted.
func Await(in Input) (v1alpha1.MeshRevisionStatus, []Event) {
	s := &state{Input: in, after: *in.Before.DeepCopy()}
	if in.Before.Phase == v1alpha1.RevisionFailed && in.Before.ObservedGeneration == in.Generation {
		return *in.Before.DeepCopy(), nil
	}
	s.pend()
	s.await()
	s.after.Update.Steps = 0
	return s.after, s.events
}

// Deadline is when a revision that is pending has failed if it is not up; zero
// for one that may take its time.
func Deadline(status v1alpha1.MeshRevisionStatus, update *v1alpha1.Update) time.Time {
	if status.Phase != v1alpha1.RevisionPending || status.Update == nil || status.Update.StartedAt == nil || *update.Canary.OnFailure == v1alpha1.FailurePause {
		return time.Time{}
	}
	return status.Update.StartedAt.Add(update.Canary.ProgressDeadline.Duration)
}

// resume begins the step of a paused update anew.
func (s *state) resume() {
	s.after.Result = nil
	s.start(int(s.after.Update.Step))
}

func (s *state) start(step int) {
	u := s.after.Update
	u.Step, u.Steps = int32(step), int32(s.steps())
	u.StepStartedAt, u.Gates = s.now(), nil
	s.after.Gateways = step > len(s.Update.Canary.Steps)
	what := "takes the gateways"
	if !s.after.Gateways {
		what = describe(s.Update.Canary.Steps[step-1])
	}
	s.tell(false, "StepStarted", "step %d of %d: revision %s %s", step, u.Steps, s.Revision, what)
}

func describe(step v1alpha1.CanaryStep) string {
	if step.Selector != nil {
		return "takes the namespaces " + metav1.FormatLabelSelector(step.Selector)
	}
	return fmt.Sprintf("takes %d %% of the namespaces", *step.Weight)
}

// measure takes down what the gates say, and since when.
func (s *state) measure() {
	u := s.after.Update
	u.Steps = int32(s.steps())
	u.Step = min(u.Step, u.Steps)
	u.Workloads, u.BlockedBy = s.Workloads, s.BlockedBy
	if s.Gates == nil {
		return
	}
	former := u.Gates
	u.Gates = []v1alpha1.GateStatus{}
	for _, g := range s.Gates {
		status := v1alpha1.GateStatus{Name: g.Name, Value: g.Value, Threshold: g.Threshold, OK: g.OK, Message: g.Message, Since: s.now()}
		if at := slices.IndexFunc(former, func(f v1alpha1.GateStatus) bool { return f.Name == g.Name && f.OK == g.OK }); at >= 0 {
			status.Since = former[at].Since
		}
		u.Gates = append(u.Gates, status)
	}
}

// judge lets a step fail, wait or pass.
func (s *state) judge() {
	u := s.after.Update
	if s.Gates == nil {
		return
	}
	held := *u.StepStartedAt
	for i, g := range u.Gates {
		switch {
		case !g.OK && (s.Gates[i].Final || s.Now.Sub(g.Since.Time) >= s.Update.Canary.ProgressDeadline.Duration):
			s.fail(g)
			return
		case !g.OK:
			held = metav1.Time{}
		case !held.IsZero() && g.Since.After(held.Time):
			held = *g.Since
		}
	}
	if held.IsZero() || s.Now.Sub(held.Time) < s.hold() || s.Workloads != nil && s.Workloads.Waiting > 0 {
		return
	}
	step := int(u.Step)
	if step >= s.steps() {
		s.tell(false, "StepPassed", "step %d of %d: all gates of revision %s were open", step, u.Steps, s.Revision)
		s.promote()
		return
	}
	if !s.approved(step + 1) {
		u.BlockedBy = append(u.BlockedBy, s.waitsForApproval(step+1))
		return
	}
	s.tell(false, "StepPassed", "step %d of %d: all gates of revision %s were open", step, u.Steps, s.Revision)
	s.start(step + 1)
}

// hold is that of the step under way. The gateways' has none of its own.
func (s *state) hold() time.Duration {
	steps := s.Update.Canary.Steps
	if at := int(s.after.Update.Step) - 1; at < len(steps) && steps[at].Hold != nil {
		return steps[at].Hold.Duration
	}
	return 0
}

func (s *state) waitsForApproval(step int) string {
	return fmt.Sprintf("step %d waits until spec.update.canary.approvedStep is %d", step, step)
}

// fail ends the update for a gate: everything is put back, or left as it is.
func (s *state) fail(g v1alpha1.GateStatus) {
	why := fmt.Sprintf("%s is %s, wanted %s", g.Name, g.Value, g.Threshold)
	if g.Message != "" {
		why += ": " + g.Message
	}
	s.tell(true, "GateFailed", "step %d of %d of revision %s: %s", s.after.Update.Step, s.after.Update.Steps, s.Revision, why)
	if *s.Update.Canary.OnFailure == v1alpha1.FailurePause {
		s.end(v1alpha1.HistoryPaused, g.Name, why)
		return
	}
	s.end(v1alpha1.HistoryRolledBack, g.Name, why)
	s.after.Phase, s.after.Gateways = v1alpha1.RevisionFailed, false
	s.tell(true, "RolledBack", "revision %s was rolled back in step %d of %d", s.Revision, s.after.Update.Step, s.after.Update.Steps)
}

func (s *state) promote() {
	s.end(v1alpha1.HistoryPromoted, "", "")
	s.after.Phase = v1alpha1.RevisionActive
	s.after.Update.BlockedBy = nil
	s.tell(false, "Promoted", "revision %s of version %s has the whole mesh", s.Revision, s.Version)
}

func (s *state) end(result v1alpha1.HistoryResult, reason, message string) {
	s.after.Result = &v1alpha1.HistoryEntry{Revision: s.Revision, Version: s.Version, Result: result, Reason: reason, Message: message, At: *s.now()}
}

// assign divides the namespaces for what was decided.
func (s *state) assign() error {
	var err error
	s.after.Namespaces = nil
	switch s.after.Phase {
	case v1alpha1.RevisionCanary:
		s.after.Moved, s.after.Staying, err = Assign(s.Namespaces, s.Update.Canary.Steps, int(s.after.Update.Step), s.after.Moved)
	default:
		s.after.Moved, s.after.Staying = nil, nil
	}
	if s.after.Phase == v1alpha1.RevisionCanary {
		n := int32(len(s.after.Moved))
		s.after.Namespaces = &n
	}
	return err
}

// now is the time as it will be read again, in seconds.
func (s *state) now() *metav1.Time {
	t := metav1.NewTime(s.Now).Rfc3339Copy()
	return &t
}

func (s *state) tell(warning bool, reason, note string, args ...any) {
	s.events = append(s.events, Event{warning, reason, fmt.Sprintf(note, args...)})
}

// Supersede is the state of a revision that is not wanted any more: one with
// which an update was under way is retired, and what was decided stays.
func Supersede(in Input) v1alpha1.MeshRevisionStatus {
	s := &state{Input: in, after: *in.Before.DeepCopy()}
	if s.after.Phase == v1alpha1.RevisionCanary {
		s.end(v1alpha1.HistorySuperseded, "", "the spec changed")
	}
	if s.after.Phase != v1alpha1.RevisionFailed {
		s.after.Phase = v1alpha1.RevisionRetired
	}
	s.after.Moved, s.after.Staying, s.after.Gateways, s.after.Namespaces = nil, nil, false, nil
	return s.after
}
