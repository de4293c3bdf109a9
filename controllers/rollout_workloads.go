package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

// +kubebuilder:rbac:groups=apps,resources=daemonsets;deployments;statefulsets,verbs=get;patch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=list
// +kubebuilder:rbac:groups="",resources=pods/eviction,verbs=create

const (
	// dataPlaneManager writes the annotations of restarts, and nothing else.
	dataPlaneManager = "meshwright-dataplane"
	// The annotations on a pod template: for which revision its pods were made to
	// start anew, and when.
	annotationRestartedFor = "meshwright.io/restarted-for"
	annotationRestartedAt  = "meshwright.io/restarted-at"
	// doorDelay is how long a door may take to be moved before the pods behind it
	// are restarted.
	doorDelay = 5 * time.Second
	// ownersAtOnce bounds how many owners are looked at in one turn.
	ownersAtOnce = 50
)

// migrate restarts what runs with another revision's proxy than its namespace is
// given, where the spec asks for it.
func (r *Rollout) migrate(ctx context.Context, s *rolloutScope) error {
	var err error
	if s.update, err = plan.UpdateOf(s.install.Spec); err != nil || s.active == nil {
		return errIdle // the Reconciler says what is wrong with the spec
	}
	wish := s.update.DataPlane
	if *wish.Migrate != v1alpha1.MigrateAutomatic || *wish.Restart == v1alpha1.RestartNone {
		return nil
	}
	var revisions []string
	for i := range s.records {
		revisions = append(revisions, s.records[i].Name)
	}
	list := r.proxied
	if s.evicts() {
		list = r.unended
	}
	pods, err := list(ctx, revisions...)
	if err != nil {
		return err
	}
	if s.target == nil || s.target.Status.Phase != v1alpha1.RevisionCanary {
		pods = append(pods, s.unmeshed...) // an update does not wait for them
	}
	owners, err := r.owners(ctx, s, pods)
	if err != nil {
		return err
	}
	wait, err := rollout.Shut(wish.Windows, r.Now())
	if err != nil {
		return err
	}
	restart, status, blocked, err := rollout.Restarts(owners, wish, cmp.Or(s.unsettled(r.Now()), wait), r.Now())
	if err != nil {
		return err
	}
	s.workloads, s.blockedBy = status, blocked
	do := r.restart
	if s.evicts() {
		do = r.evict
	}
	for _, o := range restart {
		if err := do(ctx, s, o); err != nil {
			return err
		}
	}
	return nil
}

// unsettled says why pods that are made now may not get the wanted proxy.
func (s *rolloutScope) unsettled(now time.Time) string {
	if s.target == nil || s.target.Status.Update == nil {
		return ""
	}
	const moving = "the namespaces are being moved"
	u, moved := s.target.Status.Update, s.target.Status.Result
	switch s.target.Status.Phase {
	case v1alpha1.RevisionCanary:
		shut := slices.ContainsFunc(u.Gates, func(g v1alpha1.GateStatus) bool { return g.Name == "injectionDryRun" && !g.OK })
		if u.Gates == nil || shut || now.Sub(u.StepStartedAt.Time) < doorDelay {
			return moving
		}
	case v1alpha1.RevisionFailed:
		if moved != nil && now.Sub(moved.At.Time) < doorDelay {
			return moving
		}
	}
	return ""
}

// wantedIn is the revision whose proxy the pods of a namespace are to have, and
// empty where they are left alone: for now, or because it is not of this mesh.
func (s *rolloutScope) wantedIn(namespace string) string {
	if !slices.ContainsFunc(s.scope, func(n metav1.PartialObjectMetadata) bool { return n.Name == namespace }) {
		return ""
	}
	if s.target == nil {
		return s.active.Name
	}
	switch s.target.Status.Phase {
	case v1alpha1.RevisionCanary:
		if slices.Contains(s.target.Status.Moved, namespace) {
			return s.target.Name
		}
		return ""
	case v1alpha1.RevisionActive:
		// It has the whole mesh, and the status of the MeshInstall does not say so
		// yet; or that is of another round, which nobody has begun yet.
		if s.target.Status.ObservedGeneration == s.install.Generation {
			return s.target.Name
		}
		return ""
	}
	return s.active.Name
}

// owners are those of pods with a proxy, in the namespaces that are worked on.
func (r *Rollout) owners(ctx context.Context, s *rolloutScope, pods []metav1.PartialObjectMetadata) ([]rollout.Owner, error) {
	found := map[string]*rollout.Owner{}
	looked := 0
	for i := range pods {
		pod := &pods[i]
		wanted := s.wantedIn(pod.Namespace)
		ends := !pod.DeletionTimestamp.IsZero()
		if wanted == "" || ends && !s.evicts() {
			continue
		}
		kind, name := ownerOf(pod)
		key := kind + " " + pod.Namespace + "/" + name
		if found[key] == nil {
			found[key] = &rollout.Owner{Kind: kind, Namespace: pod.Namespace, Name: name, Wanted: wanted}
		}
		if ends {
			found[key].Rolling = true
			continue
		}
		if pod.Labels["istio.io/rev"] != wanted {
			found[key].Off, found[key].Pod, found[key].PodUID = true, pod.Name, string(pod.UID)
		}
		if slices.ContainsFunc(s.unmeshed, func(u metav1.PartialObjectMetadata) bool { return u.UID == pod.UID }) {
			found[key].Without(pod.CreationTimestamp.Time, pod.Labels)
		}
	}
	var out []rollout.Owner
	for _, key := range slices.Sorted(maps.Keys(found)) {
		o := found[key]
		// What is as it shall be is looked at while it may still be coming up.
		if looked < ownersAtOnce {
			looked++
			if err := r.look(ctx, s, o, pods); err != nil {
				return nil, err
			}
		}
		out = append(out, *o)
	}
	return out, nil
}

// ownerOf is the kind and name of what made a pod. A Deployment's pods have the
// hash of its template at the end of their ReplicaSet's name.
func ownerOf(pod *metav1.PartialObjectMetadata) (kind, name string) {
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil:
		return "Pod", pod.Name
	case owner.Kind == "ReplicaSet":
		if hash := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; hash != "" {
			return "Deployment", strings.TrimSuffix(owner.Name, "-"+hash)
		}
	}
	return owner.Kind, owner.Name
}

// look reads what an owner is and does.
func (r *Rollout) look(ctx context.Context, s *rolloutScope, o *rollout.Owner, pods []metav1.PartialObjectMetadata) error {
	var object client.Object
	switch o.Kind {
	case "Deployment":
		object = &appsv1.Deployment{}
	case "StatefulSet":
		object = &appsv1.StatefulSet{}
	case "DaemonSet":
		object = &appsv1.DaemonSet{}
	case "Pod":
		o.Skip = "has no owner that would make it anew; delete it when it suits"
		return nil
	default:
		o.Skip = "cannot be restarted from its owner; restart it when it suits"
		return nil
	}
	err := r.Clients.Live.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: o.Name}, object)
	if apierrors.IsNotFound(err) {
		o.Skip = "is not there; something else owns its pods"
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", o, err)
	}
	o.Labels = object.GetLabels()
	ends := o.Rolling
	var annotations map[string]string
	switch d := object.(type) {
	case *appsv1.Deployment:
		annotations, o.Skip, o.Rolling = lookAtDeployment(d)
	case *appsv1.StatefulSet:
		annotations, o.Skip, o.Rolling = lookAtStatefulSet(d)
	case *appsv1.DaemonSet:
		annotations, o.Skip, o.Rolling = lookAtDaemonSet(d)
	}
	if s.evicts() {
		annotations, o.Skip, o.Rolling = object.GetAnnotations(), "", ends || fewer(object)
	}
	o.RestartedFor = annotations[annotationRestartedFor]
	o.RestartedAt, _ = time.Parse(time.RFC3339, annotations[annotationRestartedAt])
	if !o.Off {
		return nil
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Clients.Live.Get(ctx, client.ObjectKey{Name: o.Namespace}, namespace); err != nil {
		return fmt.Errorf("read Namespace %s: %w", o.Namespace, err)
	}
	o.NamespaceLabels = namespace.Labels
	if o.Skip == "" && o.Unmeshed() {
		if o.Skip, err = r.inVain(ctx, s, o); err != nil {
			return err
		}
	}
	o.Blocked, err = r.budget(ctx, o, pods)
	return err
}

func lookAtDeployment(d *appsv1.Deployment) (annotations map[string]string, skip string, rolling bool) {
	switch {
	case d.Spec.Paused:
		skip = "is paused; resume it"
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		skip = "has the strategy Recreate, a restart would interrupt it; restart it when it suits"
	}
	n := ptr.Deref(d.Spec.Replicas, 1)
	rolling = d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < n || d.Status.Replicas > n || d.Status.AvailableReplicas < n
	return d.Spec.Template.Annotations, skip, rolling
}

func lookAtStatefulSet(d *appsv1.StatefulSet) (annotations map[string]string, skip string, rolling bool) {
	u := d.Spec.UpdateStrategy
	switch {
	case u.Type == appsv1.OnDeleteStatefulSetStrategyType:
		skip = "has the update strategy OnDelete; delete its pods when it suits"
	case u.RollingUpdate != nil && ptr.Deref(u.RollingUpdate.Partition, 0) > 0:
		skip = "has a partition, so a restart would not reach all its pods; set it to 0"
	}
	n := ptr.Deref(d.Spec.Replicas, 1)
	rolling = d.Status.ObservedGeneration < d.Generation || d.Status.CurrentRevision != d.Status.UpdateRevision || d.Status.ReadyReplicas < n
	return d.Spec.Template.Annotations, skip, rolling
}

func lookAtDaemonSet(d *appsv1.DaemonSet) (annotations map[string]string, skip string, rolling bool) {
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		skip = "has the update strategy OnDelete; delete its pods when it suits"
	}
	n := d.Status.DesiredNumberScheduled
	rolling = d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedNumberScheduled < n || d.Status.NumberAvailable < n
	return d.Spec.Template.Annotations, skip, rolling
}

// budget says which PodDisruptionBudget allows none of the owner's pods to go.
func (r *Rollout) budget(ctx context.Context, o *rollout.Owner, pods []metav1.PartialObjectMetadata) (string, error) {
	var budgets policyv1.PodDisruptionBudgetList
	if err := r.Clients.Live.List(ctx, &budgets, client.InNamespace(o.Namespace)); err != nil {
		return "", fmt.Errorf("list PodDisruptionBudgets in %s: %w", o.Namespace, err)
	}
	for i := range budgets.Items {
		b := &budgets.Items[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || b.Status.DisruptionsAllowed > 0 || b.Status.ExpectedPods == 0 {
			continue
		}
		if slices.ContainsFunc(pods, func(p metav1.PartialObjectMetadata) bool {
			kind, name := ownerOf(&p)
			return p.Namespace == o.Namespace && kind == o.Kind && name == o.Name && selector.Matches(labels.Set(p.Labels))
		}) {
			return fmt.Sprintf("PodDisruptionBudget %s/%s allows 0 disruptions", b.Namespace, b.Name), nil
		}
	}
	return "", nil
}

// restart has an owner make its pods anew, as kubectl rollout restart does.
func (r *Rollout) restart(ctx context.Context, s *rolloutScope, o rollout.Owner) error {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(o.Kind))
	u.SetNamespace(o.Namespace)
	u.SetName(o.Name)
	_ = unstructured.SetNestedStringMap(u.Object, map[string]string{
		annotationRestartedFor: o.Wanted, annotationRestartedAt: r.Now().UTC().Format(time.RFC3339),
	}, "spec", "template", "metadata", "annotations")
	if err := r.Clients.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(dataPlaneManager), client.ForceOwnership); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("restart %s: %w", o, err)
	}
	log.FromContext(ctx).Info("Restarted workload", "workload", o.String(), "revision", o.Wanted)
	// The owner in the Event keeps one restart from being counted as the
	// repetition of another.
	r.Events.Eventf(s.install, u, corev1.EventTypeNormal, "WorkloadRestarted", "Rollout", "%s is restarted for the proxy of revision %s", o, o.Wanted)
	return nil
}
