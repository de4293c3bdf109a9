package controllers

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/internal/install/apply"
)

// vet lets nothing be adopted before the whole plan, up to the end, was accepted
// in a dry run. Taking over is apply's.
func (r *Reconciler) vet(ctx context.Context, s *scope) error {
	if a := s.install.Spec.Adoption; a == nil || !a.Enabled {
		return nil
	}
	end := *s
	end.active = s.target
	foreign, err := s.applier.Foreign(ctx, s.inventory, end.desired())
	if err != nil || !foreign {
		return err
	}
	whole := *s
	return r.preview(ctx, &whole)
}

// adopted tells of each object that was taken over.
func (r *Reconciler) adopted(ctx context.Context, s *scope, objects []apply.Adopted) {
	for _, a := range objects {
		managers := strings.Join(a.Managers, ", ")
		ref := apply.RefOf(a.Object)
		log.FromContext(ctx).Info("Adopted object", "object", ref.String(), "manager", managers)
		// The object in the Event keeps one from being counted as the repetition of
		// another.
		r.Events.Eventf(s.install, a.Object, corev1.EventTypeNormal, "Adopted", "Reconcile", "%s is adopted; it was managed by %s", ref, short(managers))
	}
}
