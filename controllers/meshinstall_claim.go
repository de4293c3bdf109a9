package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list

// claim lets each tag and each namespace belong to one MeshInstall, the oldest
// that asks for it. It is asked again when a MeshInstall or a label of a
// namespace changes.
func (r *Reconciler) claim(ctx context.Context, s *scope) error {
	var all v1alpha1.MeshInstallList
	if err := r.Clients.Cached.List(ctx, &all); err != nil {
		return fmt.Errorf("list MeshInstalls: %w", err)
	}
	elders := slices.DeleteFunc(all.Items, func(other v1alpha1.MeshInstall) bool { return !older(&other, s.install) })
	if len(elders) == 0 {
		return nil
	}
	slices.SortFunc(elders, func(a, b v1alpha1.MeshInstall) int { return strings.Compare(a.Name, b.Name) })
	own := plan.ClaimOf(s.install.Name, s.install.Spec)
	own.Mesh, own.Gateways = s.target.Namespaces()
	// Not cached: what is decided on an old label would be made and left.
	list, err := listNamespaces(ctx, r.Clients.Live)
	if err != nil {
		return err
	}
	namespaces := map[string]labels.Set{}
	for i := range list {
		namespaces[list[i].Name] = list[i].Labels
	}
	for i := range elders {
		if err := own.Beside(plan.ClaimOf(elders[i].Name, elders[i].Spec), namespaces); err != nil {
			return err
		}
	}
	for i := range elders {
		if err := r.released(ctx, own, &elders[i], namespaces); err != nil {
			return err
		}
	}
	return nil
}

// released waits while an older MeshInstall has what its spec gave up: until the
// revision that serves is another.
func (r *Reconciler) released(ctx context.Context, own plan.Claim, elder *v1alpha1.MeshInstall, namespaces map[string]labels.Set) error {
	serves := &v1alpha1.MeshRevision{}
	err := r.Clients.Cached.Get(ctx, client.ObjectKey{Name: elder.Status.ActiveRevision}, serves)
	if elder.Status.ActiveRevision == "" || apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read MeshRevision %s: %w", elder.Status.ActiveRevision, err)
	}
	had, err := plan.ClaimOfRevision(serves)
	if err != nil {
		return err
	}
	if err := own.Beside(had, namespaces); err != nil {
		return &Waiting{Reason: v1alpha1.ReasonAnotherMeshInstall, Message: fmt.Sprintf("%s; or wait: its spec gives that up, and its revision %s still serves", err, serves.Name)}
	}
	return nil
}

// otherWish passes on MeshInstalls that come or go, and those that ask for
// something else or have another revision that serves.
var otherWish = predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false }, DeleteFunc: func(event.DeleteEvent) bool { return false }, GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MeshInstall)
		after, still := e.ObjectNew.(*v1alpha1.MeshInstall)
		return ok && still && before.Status.ActiveRevision != after.Status.ActiveRevision
	},
})

// older orders MeshInstalls by age, and those of one second by name.
func older(a, b *v1alpha1.MeshInstall) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// otherNamespaces are those in which MeshInstalls that are installed beside this
// one have a control plane or gateways.
func (r *Reconciler) otherNamespaces(ctx context.Context, install *v1alpha1.MeshInstall) (map[string]bool, error) {
	var all v1alpha1.MeshInstallList
	if err := r.Clients.Cached.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list MeshInstalls: %w", err)
	}
	out := map[string]bool{}
	for i := range all.Items {
		other := &all.Items[i]
		if other.Name == install.Name || !controllerutil.ContainsFinalizer(other, Finalizer) {
			continue
		}
		c := plan.ClaimOf(other.Name, other.Spec)
		for _, namespace := range append(c.Gateways, c.Mesh) {
			out[namespace] = true
		}
	}
	return out, nil
}

// listNamespaces lists the cluster's namespaces, without what they say of
// themselves beside their metadata.
func listNamespaces(ctx context.Context, reader client.Reader) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := reader.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	return list.Items, nil
}

// namespacesOf are those that belong to a mesh by its spec.scope.
func namespacesOf(ctx context.Context, reader client.Reader, install *v1alpha1.MeshInstall) ([]metav1.PartialObjectMetadata, error) {
	selector, err := plan.ScopeOf(install.Spec)
	if err != nil {
		return nil, err
	}
	list, err := listNamespaces(ctx, reader)
	return slices.DeleteFunc(list, func(n metav1.PartialObjectMetadata) bool { return !selector.Matches(labels.Set(n.Labels)) }), err
}
