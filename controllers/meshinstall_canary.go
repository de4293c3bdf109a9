package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// The rollout (rollout_controller.go) decides in the status of a MeshRevision
// how far a canary is; what stands here makes the cluster so.

// canaries reports whether the target is to get the mesh from the active
// revision step by step. The first revision has nobody to get it from.
func (s *scope) canaries() bool {
	return s.update != nil && *s.update.Strategy == v1alpha1.UpdateCanary && s.active != nil && s.active.Revision != s.target.Revision
}

// decide reads what the rollout decided of the target. When it was rolled back
// and the spec did not change since, the active revision is worked on instead,
// whatever the strategy is.
func (r *Reconciler) decide(_ context.Context, s *scope) error {
	update, err := plan.UpdateOf(s.install.Spec)
	if err != nil {
		return err
	}
	s.update, s.wanted = update, s.target
	if at := slices.IndexFunc(s.records, func(r v1alpha1.MeshRevision) bool { return r.Name == s.target.Revision }); at >= 0 && s.active != nil && s.active.Revision != s.target.Revision {
		s.decided = s.records[at].Status
		if s.decided.Phase == v1alpha1.RevisionFailed && s.decided.ObservedGeneration == s.install.Generation {
			s.failed, s.target = s.decided.Result, s.active
		}
		if s.promoted() && s.decided.ObservedGeneration != s.install.Generation {
			return &Waiting{Reason: v1alpha1.ReasonCanary, Message: fmt.Sprintf("revision %s served before, and is begun with again", s.target.Revision)}
		}
	}
	// Pods may have the proxy of a revision that got a part of the mesh and is
	// not wanted any more: discovery keeps the name by which they know it.
	for _, record := range s.records {
		was := record.Status.Update != nil && record.Status.Update.Step > 0 && record.Status.Phase != v1alpha1.RevisionRetired
		if was && record.Name != s.target.Revision && record.Name != s.inventory.Active && !slices.Contains(s.inventory.Retired, record.Name) {
			// First, so that one that is forgotten and not gone yet is so again.
			s.inventory.Retired = slices.Insert(s.inventory.Retired, 0, record.Name)
		}
	}
	return nil
}

// begun reports whether the target has a part of the mesh, promoted whether it
// has all of it.
func (s *scope) begun() bool {
	return s.canaries() && (s.decided.Phase == v1alpha1.RevisionCanary || s.promoted())
}

func (s *scope) promoted() bool {
	return s.canaries() && s.decided.Phase == v1alpha1.RevisionActive
}

// doors are those of the two revisions, each open for its share. That of the
// revision that gets more comes first: between the two writes a namespace has
// two doors rather than none.
func (s *scope) doors() []*unstructured.Unstructured {
	if !s.begun() {
		return slices.Concat(s.active.Door(plan.Everywhere), s.target.Door(plan.Nowhere))
	}
	assignment := []plan.Assigned{
		{Revision: s.active.Revision, Namespaces: s.decided.Staying},
		{Revision: s.target.Revision, Namespaces: s.decided.Moved},
	}
	lastStep := s.promoted() || int(s.decided.Update.Step) >= len(s.update.Canary.Steps)
	if lastStep && len(s.decided.Staying) == 0 {
		slices.Reverse(assignment) // also what is made later, in a mesh of no namespaces yet
	}
	shares := plan.Shares(assignment)
	return slices.Concat(s.target.Door(shares[s.target.Revision]), s.active.Door(shares[s.active.Revision]))
}

// canary waits while the rollout gives the mesh to the target.
func (r *Reconciler) canary(_ context.Context, s *scope) error {
	if !s.canaries() || s.promoted() {
		return nil
	}
	if result := s.decided.Result; s.begun() && result != nil {
		return &Stalled{Reason: v1alpha1.ReasonUpdatePaused, Message: fmt.Sprintf(
			"the update to revision %s is paused in step %d of %d: %s; change the spec to go on, or back", s.target.Revision, s.decided.Update.Step, s.decided.Update.Steps, result.Message)}
	}
	message := fmt.Sprintf("revision %s is up and takes its first step", s.target.Revision)
	if u := s.decided.Update; u != nil && u.Step == 0 {
		message = strings.Join(append([]string{message}, u.BlockedBy...), ": ")
	} else if u != nil {
		message = fmt.Sprintf("revision %s is in step %d of %d", s.target.Revision, u.Step, u.Steps)
		var shut []string
		for _, g := range u.Gates {
			if !g.OK {
				shut = append(shut, fmt.Sprintf("%s is %s, wanted %s", g.Name, g.Value, g.Threshold))
			}
		}
		if waits := slices.Concat(shut, u.BlockedBy); len(waits) > 0 {
			message += ": " + strings.Join(waits, "; ")
		}
	}
	return &Waiting{Reason: v1alpha1.ReasonCanary, Message: message}
}

// conclude ends with the failure of a target that was rolled back.
func (r *Reconciler) conclude(_ context.Context, s *scope) error {
	if s.failed == nil {
		return nil
	}
	return &Stalled{Reason: v1alpha1.ReasonRolledBack, Message: fmt.Sprintf(
		"revision %s was rolled back: %s; it is tried again when the spec changes", s.wanted.Revision, s.failed.Message)}
}

// historyLimit is what the API allows.
const historyLimit = 10

// reportRollout mirrors what the rollout wrote about each revision.
func (s *scope) reportRollout(status *v1alpha1.MeshInstallStatus) {
	status.Update, status.FailedHashes = nil, nil
	if s.decided.Update != nil {
		status.Update = s.decided.Update
	}
	if s.failed != nil {
		status.FailedHashes = []string{s.wanted.Hash}
	}
	for _, record := range s.records {
		result := record.Status.Result
		if result == nil || slices.ContainsFunc(status.History, func(h v1alpha1.HistoryEntry) bool {
			return h.Revision == result.Revision && h.Result == result.Result && h.At.Equal(&result.At)
		}) {
			continue
		}
		// Times are in seconds; of two in the same, the one told last is newer.
		status.History = append([]v1alpha1.HistoryEntry{*result}, status.History...)
	}
	slices.SortStableFunc(status.History, func(a, b v1alpha1.HistoryEntry) int { return b.At.Compare(a.At.Time) })
	status.History = status.History[:min(len(status.History), historyLimit)]
}
