package controllers

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

// evicts reports whether pods are evicted, where others are restarted by their
// owner.
func (s *rolloutScope) evicts() bool { return *s.update.DataPlane.Restart == v1alpha1.RestartEvict }

// fewer reports whether an owner has fewer pods up than wanted. How far its
// template has come is of no concern: an eviction changes none.
func fewer(owner client.Object) bool {
	switch d := owner.(type) {
	case *appsv1.Deployment:
		return d.Status.AvailableReplicas < ptr.Deref(d.Spec.Replicas, 1)
	case *appsv1.StatefulSet:
		return d.Status.ReadyReplicas < ptr.Deref(d.Spec.Replicas, 1)
	case *appsv1.DaemonSet:
		return d.Status.NumberAvailable < d.Status.DesiredNumberScheduled
	}
	return false
}

// unended lists the pods with a sidecar of one of the revisions that have not
// ended: one that is not up yet is what the next eviction waits for.
func (r *Rollout) unended(ctx context.Context, revisions ...string) ([]metav1.PartialObjectMetadata, error) {
	return carriers(ctx, r.Clients.Live, revisions...)
}

// evict has one pod of an owner made anew: the API server removes it where its
// budgets allow that. The owner, not its template, notes for what and when.
func (r *Rollout) evict(ctx context.Context, s *rolloutScope, o rollout.Owner) error {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(o.Kind))
	u.SetNamespace(o.Namespace)
	u.SetName(o.Name)
	u.SetAnnotations(map[string]string{annotationRestartedFor: o.Wanted, annotationRestartedAt: r.Now().UTC().Format(time.RFC3339)})
	if err := r.Clients.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(dataPlaneManager), client.ForceOwnership); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("mark %s: %w", o, err))
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Pod}}
	eviction := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(types.UID(o.PodUID))}}}
	err := r.Clients.Writer.SubResource("eviction").Create(ctx, pod, eviction)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return nil // it is another pod by now
	case apierrors.IsTooManyRequests(err):
		s.blockedBy = append(s.blockedBy, short(fmt.Sprintf("Pod %s/%s may not be evicted: %v", o.Namespace, o.Pod, err)))
		return nil
	case err != nil:
		return fmt.Errorf("evict Pod %s/%s: %w", o.Namespace, o.Pod, err)
	}
	log.FromContext(ctx).Info("Evicted pod", "pod", o.Namespace+"/"+o.Pod, "workload", o.String(), "revision", o.Wanted)
	r.Events.Eventf(s.install, pod, corev1.EventTypeNormal, "WorkloadRestarted", "Rollout", "Pod %s of %s is evicted for the proxy of revision %s", o.Pod, o, o.Wanted)
	return nil
}
