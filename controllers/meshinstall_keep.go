package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// errNothingToKeep ends the keeping of a mesh that does not serve, or of which
// the operator cannot say what it would look like.
var errNothingToKeep = errors.New("no revision serves that can be rendered")

// keeping is what is done for the mesh that serves while the spec cannot be
// met, or while its removal waits: it is kept as it was recorded.
func (r *Reconciler) keeping() []step {
	return []step{
		{"recall", r.recall},
		{"retain", r.retain},
		{"trust", r.trust},
		{"applyKept", r.apply},
		{"judgeKept", r.judgeTarget},
		{"judgeInstall", r.judgeInstall},
	}
}

// keep runs those steps where the outcome of the others leaves the mesh without
// care. What is wrong with it is told in Degraded; only an error that is to be
// tried again is returned.
func (r *Reconciler) keep(ctx context.Context, s *scope, outcome error) error {
	var stalled *Stalled
	var waiting *Waiting
	blocked := errors.As(outcome, &waiting) && waiting.Reason == v1alpha1.ReasonDeleteBlocked
	mode := s.install.Spec.Mode
	switch {
	case !errors.As(outcome, &stalled) && !blocked, s.applied,
		mode != "" && mode != v1alpha1.ModeApply, !controllerutil.ContainsFinalizer(s.install, Finalizer):
		return nil
	}
	// What the steps came to was about a spec that cannot be met.
	s.keeps, s.target, s.wanted, s.active, s.failed, s.states = true, nil, nil, nil, nil, nil
	err := run(ctx, r.keeping(), s)
	if errors.Is(err, errNothingToKeep) {
		s.target = nil // the status stays as it was
		return nil
	}
	err = classify(err)
	switch {
	case errors.As(err, &waiting):
		s.degraded = waiting
		return nil
	case errors.As(err, &stalled):
		s.degraded = &Waiting{Reason: stalled.Reason, Message: stalled.Message}
		return nil
	}
	return err
}

// recall takes from the records what serves, and beside it the revision that a
// canary had given a part of the mesh: that stays as it was divided.
func (r *Reconciler) recall(ctx context.Context, s *scope) error {
	if err := r.load(ctx, s); err != nil {
		return err
	}
	for i := range s.records {
		record := &s.records[i]
		shares := record.Status.Phase == v1alpha1.RevisionCanary || record.Status.Phase == v1alpha1.RevisionActive
		switch {
		case record.Name == s.inventory.Active:
			active, err := plan.FromRecord(record)
			if err != nil {
				return errors.Join(errNothingToKeep, err)
			}
			s.active = active
		case record.Name == s.install.Status.TargetRevision && shares && record.Status.Update != nil:
			target, err := plan.FromRecord(record)
			if err != nil {
				return errors.Join(errNothingToKeep, err)
			}
			s.target, s.decided = target, record.Status
		}
	}
	if s.active == nil {
		return errNothingToKeep
	}
	if s.target == nil {
		s.target = s.active
	}
	return s.recallUpdate()
}

// recallUpdate is how the mesh was being divided. Of the spec as it is now, only
// spec.update is read, which the API server has checked.
func (s *scope) recallUpdate() error {
	spec := *s.install.Spec.DeepCopy()
	spec.Version, spec.Profile = s.active.Version, v1alpha1.ProfileDefault
	update, err := plan.UpdateOf(spec)
	if err != nil {
		return fmt.Errorf("read spec.update: %w", err)
	}
	canary := v1alpha1.UpdateCanary
	update.Strategy = &canary
	s.update = update
	return nil
}

// load reads the inventory and the records of revisions.
func (r *Reconciler) load(ctx context.Context, s *scope) error {
	inventory, err := s.applier.LoadInventory(ctx)
	if err != nil {
		return err
	}
	s.stored, s.inventory = inventory, inventory.Clone()
	var records v1alpha1.MeshRevisionList
	if err := r.Clients.Cached.List(ctx, &records, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return fmt.Errorf("list MeshRevisions: %w", err)
	}
	s.records = records.Items
	slices.SortFunc(s.records, func(a, b v1alpha1.MeshRevision) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// missing is the first Deployment that has fewer pods than wanted, nil if none.
func missing(states []apply.State) *Waiting {
	for _, state := range states {
		if state.Ref.Kind == "Deployment" && !state.Ready {
			return &Waiting{Reason: v1alpha1.ReasonComponentNotReady, Message: fmt.Sprintf("%s: %s", state.Ref, state.Message)}
		}
	}
	return nil
}

// lookAtActive takes down the state of the Deployments that serve while
// another revision is worked towards.
func (r *Reconciler) lookAtActive(ctx context.Context, s *scope) error {
	s.serving = nil
	if s.active == nil || s.active.Revision == s.target.Revision {
		return nil
	}
	for _, o := range s.active.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		state, err := s.applier.StateOf(ctx, apply.RefOf(o))
		if err != nil {
			return err
		}
		s.serving = append(s.serving, state)
	}
	return nil
}
