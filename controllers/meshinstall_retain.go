package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// forgetPoll is how often it is looked whether a revision beyond the limit has
// no pods any more: pods are not watched.
const forgetPoll = 10 * time.Minute

// retain works out which former revisions are still kept whole. Where nothing
// is pruned, none ends.
func (r *Reconciler) retain(ctx context.Context, s *scope) error {
	s.retained = nil
	for _, name := range slices.Sorted(maps.Keys(s.inventory.Retained)) {
		left := s.update.RetainOld.Duration - r.Now().Sub(s.inventory.Retained[name])
		at := slices.IndexFunc(s.records, func(r v1alpha1.MeshRevision) bool { return r.Name == name })
		if left <= 0 && !s.keeps || at < 0 || name == s.target.Revision || name == s.inventory.Active {
			delete(s.inventory.Retained, name)
			continue
		}
		p, err := plan.FromRecord(&s.records[at])
		if err != nil {
			log.FromContext(ctx).Error(err, "Rendering a former revision again", "revision", name)
			delete(s.inventory.Retained, name)
			continue
		}
		s.retained = append(s.retained, p)
		if left > 0 {
			s.wakeIn(left)
		}
	}
	return nil
}

// keepWhole keeps a revision, which stops to serve, as it is for a while.
func (s *scope) keepWhole(former *plan.Plan, now time.Time) {
	if former == nil || s.update.RetainOld.Duration == 0 {
		return
	}
	if s.inventory.Retained == nil {
		s.inventory.Retained = map[string]time.Time{}
	}
	s.inventory.Retained[former.Revision] = now.Truncate(time.Second)
	s.retained = append(s.retained, former)
	s.wakeIn(s.update.RetainOld.Duration)
}

// forget gives up the names of the oldest retired revisions beyond the limit.
// One that a pod knows discovery by is kept.
func (r *Reconciler) forget(ctx context.Context, s *scope) error {
	var retired []string
	for _, name := range s.inventory.Retired {
		if _, whole := s.inventory.Retained[name]; !whole && name != s.target.Revision && name != s.wanted.Revision && name != s.inventory.Active {
			retired = append(retired, name)
		}
	}
	over := len(retired) - int(*s.update.RevisionHistoryLimit)
	if over <= 0 {
		return nil
	}
	oldest := retired[:over]
	pods, err := carriers(ctx, r.Clients.Live, oldest...)
	if err != nil {
		return err
	}
	inUse := map[string]bool{}
	for i := range pods {
		inUse[pods[i].Labels["istio.io/rev"]] = true
	}
	for _, name := range oldest {
		if inUse[name] {
			s.wakeIn(forgetPoll)
			continue
		}
		record := &v1alpha1.MeshRevision{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(r.Clients.Writer.Delete(ctx, record)); err != nil {
			return fmt.Errorf("delete MeshRevision %s: %w", name, err)
		}
		s.inventory.Retired = slices.DeleteFunc(s.inventory.Retired, func(other string) bool { return other == name })
		r.event(s, corev1.EventTypeNormal, "RevisionPruned", "the record of revision %s is deleted: spec.update.revisionHistoryLimit is %d", name, *s.update.RevisionHistoryLimit)
	}
	return nil
}

// tellPruned tells of each revision whose control plane was deleted.
func (r *Reconciler) tellPruned(s *scope, gone []apply.Ref) {
	for i := range s.records {
		name := s.records[i].Name
		if slices.ContainsFunc(gone, func(ref apply.Ref) bool { return ref.Kind == "Deployment" && ref.Name == discoveryOf+name }) {
			r.event(s, corev1.EventTypeNormal, "RevisionPruned", "the control plane of revision %s is deleted: %s serves", name, s.inventory.Active)
		}
	}
}
