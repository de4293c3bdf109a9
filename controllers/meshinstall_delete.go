package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// errGone ends the reconciliation of a MeshInstall that is no more.
var errGone = errors.New("the MeshInstall is gone")

// A removal that began is never held for ever: pods get podDeadline to end, and after
// removalDeadline it goes with whatever could not be removed named in an Event.
const (
	podDeadline     = 90 * time.Second
	removalDeadline = 5 * time.Minute
	podPoll         = time.Second
)

// What operands make for themselves.
var (
	operandSecrets = []string{"meshwright-ca", "meshwright-injector-cert"}
	operandRoot    = "meshwright-ca-root"
	operandLease   = "meshwright-"
)

// removal is what is done for a MeshInstall that is being deleted. Pods go
// before what they would make again.
func (r *Reconciler) removal() []step {
	return []step{
		{"held", r.held},
		{"guard", r.guard},
		{"begin", r.begin},
		{"unpublish", r.patiently(r.unpublish)},
		{"deleteObjects", r.patiently(r.deleteObjects)},
		{"waitForPods", r.patiently(r.waitForPods)},
		{"deleteLeftovers", r.patiently(r.deleteLeftovers)},
		{"deleteRecords", r.patiently(r.deleteRecords)},
		{"release", r.release},
	}
}

// leaving is what is done for a MeshInstall that is deleted and leaves its mesh.
func (r *Reconciler) leaving() []step {
	return []step{
		{"held", r.held},
		{"unpublish", r.unpublish},
		{"leave", r.leave},
		{"release", r.release},
	}
}

// leave takes the MeshInstall's ownership from all that is the mesh's.
func (r *Reconciler) leave(ctx context.Context, s *scope) error {
	inventory, err := s.applier.LoadInventory(ctx)
	if err != nil {
		return err
	}
	var records v1alpha1.MeshRevisionList
	if err := r.Clients.Cached.List(ctx, &records, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return fmt.Errorf("list MeshRevisions: %w", err)
	}
	for i := range records.Items {
		if err := s.applier.Leave(ctx, &records.Items[i]); err != nil {
			return err
		}
	}
	if err := s.applier.LeaveAll(ctx, inventory); err != nil {
		return err
	}
	r.event(s, corev1.EventTypeNormal, "Orphaned", "the mesh is left as it is: a MeshInstall of this name takes it over again")
	return nil
}

// held ends the removal of a MeshInstall that we do not hold: it never had
// anything, or all is removed.
func (r *Reconciler) held(_ context.Context, s *scope) error {
	if !controllerutil.ContainsFinalizer(s.install, Finalizer) {
		return errGone
	}
	return nil
}

// begin notes when the removal began: from here there is no way back.
func (r *Reconciler) begin(ctx context.Context, s *scope) error {
	s.removing = s.install.DeletionTimestamp.Time
	inventory, err := s.applier.LoadInventory(ctx)
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return err
	case !inventory.Removing.IsZero():
		s.removing = inventory.Removing
		return nil
	case len(inventory.Entries) == 0:
		return nil
	}
	inventory.Removing = r.Now().Truncate(time.Second)
	s.removing = inventory.Removing
	return s.applier.SaveInventory(ctx, inventory)
}

// patiently lets a step of the removal fail until the deadline, and then goes
// on without it. What is forbidden it does not wait for: our rights go with a
// namespace that is deleted, and so does all that was in it.
func (r *Reconciler) patiently(do func(context.Context, *scope) error) func(context.Context, *scope) error {
	return func(ctx context.Context, s *scope) error {
		err := do(ctx, s)
		inTime := r.Now().Sub(s.removing) < removalDeadline
		if err == nil || inTime && !apierrors.IsForbidden(err) {
			return err
		}
		log.FromContext(ctx).Error(err, "Going on without a step of the removal")
		r.event(s, corev1.EventTypeWarning, "RemovalIncomplete", "not everything could be removed: %s", short(err.Error()))
		return nil
	}
}

// deleteObjects deletes what the inventory holds, but not the inventory: it
// is the sign that there is more to do after a crash.
func (r *Reconciler) deleteObjects(ctx context.Context, s *scope) error {
	inventory, err := s.applier.LoadInventory(ctx)
	if err != nil {
		return err
	}
	_, err = s.applier.Prune(ctx, inventory, nil)
	return err
}

// waitForPods waits for the mesh's own pods to end, because discovery would
// make its Secret again.
func (r *Reconciler) waitForPods(ctx context.Context, s *scope) error {
	if r.Now().Sub(s.removing) >= podDeadline {
		return nil
	}
	for _, namespace := range r.namespaces() {
		pods := &metav1.PartialObjectMetadataList{}
		pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		if err := r.Clients.Live.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
			return fmt.Errorf("list pods in %s: %w", namespace, err)
		}
		if len(pods.Items) > 0 {
			return &Waiting{Reason: v1alpha1.ReasonUninstalling, After: podPoll,
				Message: fmt.Sprintf("Pod %s/%s: is ending", namespace, pods.Items[0].Name)}
		}
	}
	return nil
}

// deleteLeftovers deletes what operands made: the CA's Secret, the injector's
// certificate, the published root, leases. It goes on after what is forbidden.
func (r *Reconciler) deleteLeftovers(ctx context.Context, s *scope) error {
	var forbidden []error
	leftovers, err := r.leftovers(ctx, s.install)
	if apierrors.IsForbidden(err) {
		forbidden = append(forbidden, err)
	} else if err != nil {
		return err
	}
	for _, o := range leftovers {
		err := r.Clients.Writer.Delete(ctx, o)
		switch {
		case err == nil, apierrors.IsNotFound(err):
		case apierrors.IsForbidden(err):
			forbidden = append(forbidden, err)
		default:
			return fmt.Errorf("delete %s/%s: %w", o.GetNamespace(), o.GetName(), err)
		}
	}
	return errors.Join(forbidden...)
}

// leftovers are those with known names, even beside an error, and the leases.
// What is in another mesh's namespaces is not ours.
func (r *Reconciler) leftovers(ctx context.Context, install *v1alpha1.MeshInstall) ([]client.Object, error) {
	mesh := install.Spec.Namespace
	others, err := r.otherNamespaces(ctx, install)
	if err != nil {
		return nil, err
	}
	var out []client.Object
	for _, name := range operandSecrets {
		out = append(out, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mesh, Name: name}})
	}
	for _, namespace := range r.namespaces() {
		if others[namespace] {
			continue
		}
		out = append(out, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: operandRoot}})
	}
	leases := &metav1.PartialObjectMetadataList{}
	leases.SetGroupVersionKind(leaseList)
	if err := r.Clients.Live.List(ctx, leases, client.InNamespace(mesh)); err != nil {
		return out, fmt.Errorf("list leases in %s: %w", mesh, err)
	}
	for i := range leases.Items {
		if strings.HasPrefix(leases.Items[i].Name, operandLease) {
			out = append(out, &leases.Items[i])
		}
	}
	return out, nil
}

// deleteRecords deletes the MeshRevisions, and the inventory last.
func (r *Reconciler) deleteRecords(ctx context.Context, s *scope) error {
	var records v1alpha1.MeshRevisionList
	if err := r.Clients.Cached.List(ctx, &records, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return fmt.Errorf("list MeshRevisions: %w", err)
	}
	for i := range records.Items {
		if err := client.IgnoreNotFound(r.Clients.Writer.Delete(ctx, &records.Items[i])); err != nil {
			return fmt.Errorf("delete MeshRevision %s: %w", records.Items[i].Name, err)
		}
	}
	return s.applier.DeleteInventory(ctx)
}

// release takes our finalizer away, and with it the MeshInstall.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	before := s.install.DeepCopy()
	controllerutil.RemoveFinalizer(s.install, Finalizer)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Clients.Writer.Patch(ctx, s.install, patch, client.FieldOwner(apply.FieldManager)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("release MeshInstall %s: %w", s.install.Name, err)
	}
	log.FromContext(ctx).Info("Removed the mesh")
	forgetMetrics(s.install.Name)
	return errGone
}

// namespaces are all in which operands may live, each once.
func (r *Reconciler) namespaces() []string {
	all := slices.Concat(r.MeshNamespaces, r.GatewayNamespaces)
	slices.Sort(all)
	return slices.Compact(all)
}
