package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

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

// eolNotice is how long before support of a version ends it is told, as the alert
// has it.
const eolNotice = 30 * 24 * time.Hour

// age tells that support of the version that serves ends soon, or has: once in
// the life of a process. At rest the caches look every ten hours.
func (r *Reconciler) age(_ context.Context, s *scope) error {
	version := s.activeVersion()
	end, set := plan.Carried.EndOfLife(version)
	left := end.Sub(r.Now())
	if !set || left > eolNotice {
		return nil
	}
	note := fmt.Sprintf("support of version %s ends on %s; set a newer spec.version", version, end.Format(time.DateOnly))
	if left <= 0 {
		note = fmt.Sprintf("version %s has been out of support since %s; set a newer spec.version", version, end.Format(time.DateOnly))
	}
	if _, told := r.told.LoadOrStore(string(s.install.UID)+" "+note, true); !told {
		r.event(s, corev1.EventTypeWarning, "VersionEOL", "%s", note)
	}
	return nil
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
