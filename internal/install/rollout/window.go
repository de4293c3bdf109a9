package rollout

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Shut is empty while restarts may begin, else it says when a window opens. The
// error is a schedule that cannot be read.
func Shut(windows []v1alpha1.Window, now time.Time) (string, error) {
	if len(windows) == 0 {
		return "", nil
	}
	now = now.UTC()
	var next time.Time
	for i, w := range windows {
		schedule, err := cron.ParseStandard(w.Schedule)
		if err != nil {
			return "", fmt.Errorf("read spec.update.dataPlane.windows[%d].schedule: %w", i, err)
		}
		// It is open if it opened within its duration.
		if opened := schedule.Next(now.Add(-w.Duration.Duration)); !opened.IsZero() && !opened.After(now) {
			return "", nil
		}
		if opens := schedule.Next(now); !opens.IsZero() && (next.IsZero() || opens.Before(next)) {
			next = opens
		}
	}
	if next.IsZero() {
		return "no window of spec.update.dataPlane.windows ever opens", nil
	}
	return "the next window for restarts opens at " + next.Format(time.RFC3339), nil
}
