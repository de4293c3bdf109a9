package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// trial is a canary as it goes on.
type trial struct {
	*testing.T
	in   rollout.Input
	told []string
}

func newTrial(t *testing.T) *trial {
	hold := func(step v1alpha1.CanaryStep, d time.Duration) v1alpha1.CanaryStep {
		step.Hold = &metav1.Duration{Duration: d}
		return step
	}
	return &trial{T: t, in: rollout.Input{
		Now: begin, Generation: 1, Revision: "prod-2", Version: "v0.2.0", Ready: true, Namespaces: namespaces(4),
		Update: &v1alpha1.Update{Canary: &v1alpha1.Canary{
			Steps:            []v1alpha1.CanaryStep{hold(selecting("name", "a"), time.Minute), hold(weight(100), 0)},
			ProgressDeadline: &metav1.Duration{Duration: 10 * time.Minute},
			OnFailure:        ptr.To(v1alpha1.FailureRollback), Approval: ptr.To(v1alpha1.ApprovalAutomatic), ApprovedStep: ptr.To[int32](0),
		}},
	}}
}

var open, shut, final = rollout.Gate{Name: "g", OK: true}, rollout.Gate{Name: "g", Value: "0.5", Threshold: "1"}, rollout.Gate{Name: "g", Final: true, Message: "refused"}

// after lets time pass and takes one turn with a gate.
func (c *trial) after(d time.Duration, gates ...rollout.Gate) v1alpha1.MeshRevisionStatus {
	c.Helper()
	c.in.Now = c.in.Now.Add(d)
	c.in.Gates = gates
	next, events, err := rollout.Next(c.in)
	if err != nil {
		c.Fatal(err)
	}
	c.in.Before = next
	for _, e := range events {
		c.told = append(c.told, e.Reason)
	}
	return next
}

// stands checks phase, step and how many namespaces have moved.
func (c *trial) stands(phase v1alpha1.RevisionPhase, step int32, moved int) {
	c.Helper()
	s := c.in.Before
	at := int32(0)
	if s.Update != nil {
		at = s.Update.Step
	}
	if s.Phase != phase || at != step || len(s.Moved) != moved {
		c.Errorf("phase %s, step %d, moved %v; want %s, %d, %d", s.Phase, at, s.Moved, phase, step, moved)
	}
}

func (c *trial) has(reasons ...string) {
	c.Helper()
	if d := cmp.Diff(reasons, c.told); d != "" {
		c.Errorf("told (-want +got):\n%s", d)
	}
}

func TestACanaryGoesStepByStepToTheEnd(t *testing.T) {
	c := newTrial(t)
	c.in.Gateways = true
	c.after(0)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.after(59*time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1) // open for 59 s of the minute
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 2, 4)
	if c.in.Before.Update.Gates != nil || c.in.Before.Gateways {
		t.Errorf("the second step begins with %+v", c.in.Before)
	}
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 3, 4)
	if !c.in.Before.Gateways {
		t.Error("the last step does not switch the gateways")
	}
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionActive, 3, 0)
	c.has("StepStarted", "StepPassed", "StepStarted", "StepPassed", "StepStarted", "StepPassed", "Promoted")
	if r := c.in.Before.Result; r.Result != v1alpha1.HistoryPromoted || r.Revision != "prod-2" || r.Version != "v0.2.0" || !r.At.Equal(&metav1.Time{Time: c.in.Now}) {
		t.Errorf("result is %+v", r)
	}
	before := c.in.Before
	if d := cmp.Diff(before, c.after(time.Hour, shut)); d != "" {
		t.Errorf("what is promoted goes on:\n%s", d)
	}
}

func TestNothingBeginsBeforeTheRevisionIsUp(t *testing.T) {
	c := newTrial(t)
	c.in.Ready = false
	c.after(0)
	c.stands(v1alpha1.RevisionPending, 0, 0)
	c.in.Ready = true
	c.after(0)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
}

func TestAGateThatShutsBeginsTheHoldAnew(t *testing.T) {
	c := newTrial(t)
	c.after(0)
	c.after(time.Second, open)
	c.after(50*time.Second, shut)
	c.after(time.Second, open)
	c.after(30*time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.after(30*time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 2, 4)
}

func TestAGateThatStaysShutRollsBack(t *testing.T) {
	c := newTrial(t)
	c.after(0)
	c.after(time.Second, shut)
	c.after(10*time.Minute-time.Second, shut)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.after(time.Second, shut)
	c.stands(v1alpha1.RevisionFailed, 1, 0)
	c.has("StepStarted", "GateFailed", "RolledBack")
	r := c.in.Before.Result
	if r.Result != v1alpha1.HistoryRolledBack || r.Reason != "g" || r.Message != "g is 0.5, wanted 1" {
		t.Errorf("result is %+v", r)
	}
	c.in.Ready = false
	c.after(24*time.Hour, open)
	c.stands(v1alpha1.RevisionFailed, 1, 0) // not tried again on a resync
	c.in.Generation++
	c.after(0)
	c.stands(v1alpha1.RevisionPending, 0, 0)
	c.in.Ready = true
	c.after(0)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
}

func TestAFinalGateRollsBackAtOnce(t *testing.T) {
	c := newTrial(t)
	c.in.Gateways = true
	c.after(0)
	c.after(time.Minute, open)
	c.after(time.Minute, open)
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 3, 4)
	c.after(time.Second, final)
	c.stands(v1alpha1.RevisionFailed, 3, 0)
	if c.in.Before.Gateways {
		t.Error("the gateways are not put back")
	}
}

func TestOnFailurePauseLeavesAllAsItIsUntilTheSpecChanges(t *testing.T) {
	c := newTrial(t)
	*c.in.Update.Canary.OnFailure = v1alpha1.FailurePause
	c.after(0)
	c.after(time.Second, final)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	if c.in.Before.Result.Result != v1alpha1.HistoryPaused {
		t.Errorf("result is %+v", c.in.Before.Result)
	}
	c.after(time.Hour, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.has("StepStarted", "GateFailed")
	c.in.Generation++
	c.after(time.Second)
	c.after(time.Second, open)
	c.after(time.Minute, open)
	c.stands(v1alpha1.RevisionCanary, 2, 4)
}

func TestManualStepsWaitForTheNumberInGit(t *testing.T) {
	c := newTrial(t)
	*c.in.Update.Canary.Approval = v1alpha1.ApprovalManual
	c.after(0)
	c.stands(v1alpha1.RevisionPending, 0, 0)
	if b := c.in.Before.Update.BlockedBy; len(b) != 1 || !strings.Contains(b[0], "spec.update.canary.approvedStep is 1") {
		t.Errorf("blocked by %v", b)
	}
	*c.in.Update.Canary.ApprovedStep = 1
	c.after(0)
	c.after(time.Second, open)
	c.after(time.Hour, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	if b := c.in.Before.Update.BlockedBy; len(b) != 1 || !strings.Contains(b[0], "approvedStep is 2") {
		t.Errorf("blocked by %v", b)
	}
	*c.in.Update.Canary.ApprovedStep = 2
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 2, 4)
}

func TestWorkloadsThatWaitHoldAStep(t *testing.T) {
	c := newTrial(t)
	c.after(0)
	c.in.Workloads = &v1alpha1.WorkloadsStatus{Waiting: 1}
	c.after(time.Second, open)
	c.after(time.Hour, open)
	c.stands(v1alpha1.RevisionCanary, 1, 1)
	c.in.Workloads = &v1alpha1.WorkloadsStatus{}
	c.after(time.Second, open)
	c.stands(v1alpha1.RevisionCanary, 2, 4)
}

func TestWhatIsNotWantedAnyMoreIsSuperseded(t *testing.T) {
	c := newTrial(t)
	c.after(0)
	s := rollout.Supersede(c.in)
	if s.Phase != v1alpha1.RevisionRetired || s.Result.Result != v1alpha1.HistorySuperseded || s.Moved != nil || s.Update.Step != 1 {
		t.Errorf("superseded is %+v", s)
	}
	c.after(time.Second, final)
	if s := rollout.Supersede(c.in); s.Phase != v1alpha1.RevisionFailed || s.Result.Result != v1alpha1.HistoryRolledBack {
		t.Errorf("what failed becomes %+v", s)
	}
}
