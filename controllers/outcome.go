package controllers

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// Stalled ends a reconciliation that only a person can help: the message names
// what to change. It is not tried again before something changes, but for a
// look every stalledRetry where the cause is not watched.
type Stalled struct {
	Reason, Message string
	Unwatched       bool
}

// Error is the message.
func (e *Stalled) Error() string { return e.Message }

// Waiting ends a reconciliation until a watched object changes, or for After.
type Waiting struct {
	Reason, Message string
	After           time.Duration
}

// Error is the message.
func (e *Waiting) Error() string { return e.Message }

// stalledRetry is how often a cause that is not watched is looked at again.
const stalledRetry = time.Minute

// classify tells a person's mistake from one that time may cure. It gives
// Stalled, Waiting, or the error itself, which is retried with backoff.
func classify(err error) error {
	var invalid *plan.Invalid
	var conflict *apply.ConflictError
	switch {
	case errors.As(err, &invalid):
		return &Stalled{Reason: invalid.Reason, Message: invalid.Error()}
	case errors.As(err, &conflict):
		fix := "; delete it, or set spec.adoption.enabled to take it over"
		if conflict.Owner != "" {
			fix = ", which keeps it so; have that give it up"
		}
		return &Stalled{Reason: v1alpha1.ReasonObjectConflict, Unwatched: true, Message: conflict.Error() + fix}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &Stalled{Reason: v1alpha1.ReasonRefused, Unwatched: true, Message: "the API server refuses: " + err.Error()}
	}
	return err
}
