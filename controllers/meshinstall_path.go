package controllers

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/internal/install/plan"
)

// path refuses a version that cannot be reached from the one that serves, or
// not on this Kubernetes. It asks nothing while nothing moves.
func (r *Reconciler) path(_ context.Context, s *scope) error {
	move := plan.Move{From: s.activeVersion(), To: s.target.Version, Now: r.Now()}
	if move.From == move.To {
		return nil
	}
	if update := s.install.Spec.Update; update != nil && update.Allow != nil {
		move.Allow = *update.Allow
	}
	server, err := r.Server.ServerVersion()
	if err != nil {
		return fmt.Errorf("read the version of Kubernetes: %w", err)
	}
	move.Kubernetes = server.GitVersion
	return plan.Carried.Check(move)
}

// activeVersion is the version of the mesh that serves, also where its chart
// is not carried any more; empty when none serves.
func (s *scope) activeVersion() string {
	for i := range s.records {
		if s.records[i].Name == s.inventory.Active {
			return s.records[i].Spec.Version
		}
	}
	return s.install.Status.Version
}
