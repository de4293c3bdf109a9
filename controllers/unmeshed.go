package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

// +kubebuilder:rbac:groups="",resources=namespaces;pods,verbs=watch

var (
	podKind       = corev1.SchemeGroupVersion.WithKind("Pod")
	namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")
)

// metadataOf is an object of a kind of which only the metadata is read.
func metadataOf(o metav1.TypeMeta) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: o}
}

func podMetadata() *metav1.PartialObjectMetadata {
	return metadataOf(metav1.TypeMeta{APIVersion: "v1", Kind: podKind.Kind})
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	return metadataOf(metav1.TypeMeta{APIVersion: "v1", Kind: namespaceKind.Kind})
}

// watchUnmeshed has the cache hold, of all pods, those that may lack a sidecar,
// and of these no more than is needed to say so and to find their owners: what
// has a sidecar has the label of mutual TLS, and what has the host's network
// gets none.
func watchUnmeshed(objects map[client.Object]cache.ByObject) error {
	noSidecar, err := labels.NewRequirement("security.istio.io/tlsMode", selection.NotEquals, []string{"istio"})
	if err != nil {
		return fmt.Errorf("select pods without a sidecar: %w", err)
	}
	notOurs, err := labels.NewRequirement(plan.LabelComponent, selection.DoesNotExist, nil)
	if err != nil {
		return fmt.Errorf("select pods without a sidecar: %w", err)
	}
	objects[podMetadata()] = cache.ByObject{
		Label: labels.NewSelector().Add(*noSidecar, *notOurs),
		Field: fields.AndSelectors(
			fields.OneTermEqualSelector("spec.hostNetwork", "false"),
			fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
			fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
		),
		Transform: slim,
	}
	objects[namespaceMetadata()] = cache.ByObject{Transform: slim}
	return nil
}

// slim takes from an object's metadata what nobody here reads.
func slim(o any) (any, error) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		m.ManagedFields, m.Finalizers = nil, nil
		maps.DeleteFunc(m.Annotations, func(key, _ string) bool { return !slices.Contains(rollout.UnmeshedAnnotations, key) })
	}
	return o, nil
}

// onUnmeshed has a controller look at all MeshInstalls when a pod without a
// sidecar comes or goes in a namespace that asks for one, and when a namespace
// comes, goes or has other labels: by these it asks, and belongs to a mesh.
func onUnmeshed(b *builder.Builder, cached client.Reader) *builder.Builder {
	asking := func(ctx context.Context, o client.Object) []reconcile.Request {
		namespace := namespaceMetadata()
		if err := cached.Get(ctx, client.ObjectKey{Name: o.GetNamespace()}, namespace); err != nil || !rollout.Asks(o, namespace.Labels) {
			return nil
		}
		return allInstalls(ctx, cached)
	}
	all := func(ctx context.Context, _ client.Object) []reconcile.Request { return allInstalls(ctx, cached) }
	return b.
		Watches(podMetadata(), handler.EnqueueRequestsFromMapFunc(asking)).
		Watches(namespaceMetadata(), handler.EnqueueRequestsFromMapFunc(all), builder.WithPredicates(predicate.LabelChangedPredicate{}))
}

// unmeshedPods are the pods that ask for a sidecar of a mesh and came up
// without. They are the cache's: read them only.
func unmeshedPods(ctx context.Context, cached client.Reader, install *v1alpha1.MeshInstall, revisions ...string) ([]metav1.PartialObjectMetadata, error) {
	namespaces, err := namespacesOf(ctx, cached, install)
	if err != nil {
		return nil, err
	}
	of := map[string]map[string]string{}
	for _, n := range namespaces {
		if n.Name != install.Spec.Namespace && !slices.Contains(systemNamespaces, n.Name) {
			of[n.Name] = n.Labels
		}
	}
	answers := slices.Concat(plan.TagsOf(install.Spec), revisions)
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	// There may be many, and nothing of them is changed.
	if err := cached.List(ctx, pods, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list pods without a sidecar: %w", err)
	}
	return slices.DeleteFunc(pods.Items, func(p metav1.PartialObjectMetadata) bool {
		namespace, ok := of[p.Namespace]
		return !ok || !p.DeletionTimestamp.IsZero() || p.Labels[plan.LabelComponent] != "" || !rollout.Unmeshed(&p, namespace, answers)
	}), nil
}

// maxUnmeshed is how many names the API allows in the status.
const maxUnmeshed = 10

// countUnmeshed says in the status which workloads have a pod without a sidecar.
func (r *Reconciler) countUnmeshed(ctx context.Context, s *scope) error {
	if s.inventory.Active == "" {
		return nil
	}
	pods, err := unmeshedPods(ctx, r.Clients.Cached, s.install, s.inventory.Active, s.target.Revision)
	if err != nil {
		return err
	}
	var names []string
	for i := range pods {
		kind, name := ownerOf(&pods[i])
		names = append(names, kind+" "+pods[i].Namespace+"/"+name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	s.unmeshed = &v1alpha1.UnmeshedStatus{Workloads: int32(len(names)), Names: names[:min(len(names), maxUnmeshed)]}
	return nil
}

// tell names each workload with pods that came up without a sidecar in an Event
// on it, once as long as it is so.
func (r *Rollout) tell(ctx context.Context, s *rolloutScope) error {
	if s.active == nil {
		return nil
	}
	revisions := []string{s.active.Name}
	if s.target != nil {
		revisions = append(revisions, s.target.Name)
	}
	var err error
	if s.unmeshed, err = unmeshedPods(ctx, r.Clients.Cached, s.install, revisions...); err != nil {
		return err
	}
	owners := map[string][]*metav1.PartialObjectMetadata{}
	for i := range s.unmeshed {
		pod := &s.unmeshed[i]
		kind, name := ownerOf(pod)
		key := s.install.Name + " " + kind + " " + pod.Namespace + "/" + name
		owners[key] = append(owners[key], pod)
	}
	maps.DeleteFunc(r.told, func(key string, _ struct{}) bool {
		return strings.HasPrefix(key, s.install.Name+" ") && owners[key] == nil
	})
	for _, key := range slices.Sorted(maps.Keys(owners)) {
		if _, ok := r.told[key]; ok {
			continue
		}
		if err := r.tellOwner(ctx, s, owners[key]); err != nil {
			return err
		}
		if r.told == nil {
			r.told = map[string]struct{}{}
		}
		r.told[key] = struct{}{}
	}
	return nil
}

// tellOwner tells the owner of these pods; where it cannot be restarted, the
// first of them.
func (r *Rollout) tellOwner(ctx context.Context, s *rolloutScope, pods []*metav1.PartialObjectMetadata) error {
	pod := slices.MinFunc(pods, func(a, b *metav1.PartialObjectMetadata) int { return cmp.Compare(a.Name, b.Name) })
	kind, name := ownerOf(pod)
	about, remedy := pod, "delete the pod when it suits, so that it is made anew"
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		owner := metadataOf(metav1.TypeMeta{APIVersion: "apps/v1", Kind: kind})
		err := r.Clients.Live.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, owner)
		switch {
		case apierrors.IsNotFound(err): // something else owns the ReplicaSet
		case err != nil:
			return fmt.Errorf("read %s %s/%s: %w", kind, pod.Namespace, name, err)
		default:
			about = owner
			remedy = fmt.Sprintf("restart it: kubectl --namespace %s rollout restart %s/%s", pod.Namespace, strings.ToLower(kind), name)
		}
	}
	r.Events.Eventf(about, s.install, corev1.EventTypeWarning, "Unmeshed", "Inspect",
		"%d of its pods came up without the sidecar that their labels ask for, such as %s; %s", len(pods), pod.Name, remedy)
	return nil
}

// inVainRetry is how soon it is tried again whether a restart would help.
const inVainRetry = 10 * time.Second

// inVain says why an owner that lacks sidecars would come up without them again;
// empty when it would not.
func (r *Rollout) inVain(ctx context.Context, s *rolloutScope, o *rollout.Owner) (string, error) {
	key := fmt.Sprintf("%s %v", o.Namespace, o.Asking)
	if why, ok := s.tried[key]; ok {
		return why, nil
	}
	pod := probePod(o.Namespace)
	pod.Labels = o.Asking
	revision, refusal, err := r.try(ctx, pod)
	if err != nil {
		return "", err
	}
	why := ""
	switch {
	case refusal != "":
		why = "would not come up again: " + refusal
	case revision == "":
		why = "would come up without a sidecar again: nothing injects pods in its namespace now"
	}
	if s.tried == nil {
		s.tried = map[string]string{}
	}
	s.tried[key] = why
	return why, nil
}

// inVain reports whether there is a workload that a restart would not help.
func (s *rolloutScope) inVain() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(s.tried)), func(why string) bool { return why != "" })
}
