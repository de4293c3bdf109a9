package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
)

// conflictRetry is how often an object that somebody else fights for is looked
// at, beside each change of it.
const conflictRetry = 10 * time.Minute

// drifted tells about one object that somebody else changed: by an Event where
// it was put right, else in the condition Degraded, with an Event when it says
// something new.
func (r *Reconciler) drifted(ctx context.Context, s *scope, change apply.Change) {
	fields := strings.Join(change.Drift, ", ")
	if change.Left == "" {
		log.FromContext(ctx).Info("Corrected drift", "object", change.Ref.String(), "fields", fields, "manager", change.By)
		// The object in the Event keeps one correction from being counted as
		// the repetition of another.
		r.Events.Eventf(s.install, change.Object, corev1.EventTypeWarning, "DriftCorrected", "PutRight", "%s was changed by somebody else and is put right: %s", change.Ref, short(fields))
		driftCorrections.WithLabelValues(change.Ref.Kind).Inc()
		return
	}
	s.drift = append(s.drift, change)
	s.degraded = &Waiting{Reason: driftReason(s.drift[0]), Message: describeDrift(s.drift), After: conflictRetry}
	text := describeDrift([]apply.Change{change})
	told := meta.FindStatusCondition(s.install.Status.Conditions, v1alpha1.ConditionDegraded)
	if told != nil && strings.Contains(told.Message, text) {
		return
	}
	log.FromContext(ctx).Info("Left drift", "object", change.Ref.String(), "fields", fields, "manager", change.By, "reason", string(change.Left))
	r.Events.Eventf(s.install, nil, corev1.EventTypeWarning, driftReason(change), "Reconcile", "%s", short(text))
}

func driftReason(change apply.Change) string {
	if change.Left == apply.Fought {
		return v1alpha1.ReasonDriftConflict
	}
	return v1alpha1.ReasonDriftReported
}

// describeDrift says what is left as it is, and what a person can do.
func describeDrift(changes []apply.Change) string {
	var lines []string
	for _, c := range changes {
		by := c.By
		if by == "" {
			by = "somebody else"
		}
		what := fmt.Sprintf("%s: %s: changed by %s, and left so because spec.drift is Report", c.Ref, strings.Join(c.Drift, ", "), by)
		if c.Left == apply.Fought {
			what = fmt.Sprintf("%s: %s: %s changes it again each time it is put right, and has it for now; make that stop, or write what it wants into spec.values or spec.patches", c.Ref, strings.Join(c.Drift, ", "), by)
		}
		lines = append(lines, what)
	}
	return strings.Join(lines, "\n")
}
