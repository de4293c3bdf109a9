package rollout_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

func TestARevisionHasTheProgressDeadlineToComeUp(t *testing.T) {
	next := func(in rollout.Input) (v1alpha1.MeshRevisionStatus, []rollout.Event) {
		after, events, err := rollout.Next(in)
		if err != nil {
			t.Fatal(err)
		}
		return after, events
	}
	ways := map[string]func(rollout.Input) (v1alpha1.MeshRevisionStatus, []rollout.Event){"by canary": next, "in place": rollout.Await}
	for name, take := range ways {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.in.Ready, c.in.Down = false, "Deployment a/b: 0 of 1"
			turn := func(passes time.Duration) v1alpha1.MeshRevisionStatus {
				var events []rollout.Event
				c.in.Now = c.in.Now.Add(passes)
				c.in.Before, events = take(c.in)
				for _, e := range events {
					c.told = append(c.told, e.Reason)
				}
				return c.in.Before
			}
			turn(0)
			turn(9 * time.Minute)
			c.stands(v1alpha1.RevisionPending, 0, 0)
			if at := rollout.Deadline(c.in.Before, c.in.Update); !at.Equal(begin.Add(10 * time.Minute)) {
				t.Errorf("deadline is %s", at)
			}
			// What is up is not failed, whatever the time; another spec has its own.
			c.in.Down = ""
			turn(time.Minute)
			c.stands(v1alpha1.RevisionPending, 0, 0)
			c.in.Generation, c.in.Down = 2, "Deployment a/b: 0 of 1"
			turn(time.Minute)
			turn(9 * time.Minute)
			c.stands(v1alpha1.RevisionPending, 0, 0)

			failed := turn(time.Minute)
			c.stands(v1alpha1.RevisionFailed, 0, 0)
			c.has("RolledBack")
			if r := failed.Result; r.Result != v1alpha1.HistoryRolledBack || r.Reason != v1alpha1.HistoryReasonNotUp ||
				r.Message != "it did not come up within 10m0s, and nothing had moved to it: Deployment a/b: 0 of 1" {
				t.Errorf("result is %+v", r)
			}
			if d := cmp.Diff(failed, turn(time.Hour)); d != "" {
				t.Errorf("it is tried again:\n%s", d)
			}
			c.in.Generation = 3
			turn(0)
			c.stands(v1alpha1.RevisionPending, 0, 0)

			c.in.Update.Canary.OnFailure = ptr.To(v1alpha1.FailurePause)
			turn(time.Hour)
			c.stands(v1alpha1.RevisionPending, 0, 0)
			if at := rollout.Deadline(c.in.Before, c.in.Update); !at.IsZero() || !slices.Equal(c.told, []string{"RolledBack"}) {
				t.Errorf("with Pause it has until %s, and %v was told", at, c.told)
			}
		})
	}
}
