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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

const (
	// guardTimeout is how long a mesh that is used is kept, unless the spec says.
	guardTimeout = time.Hour
	// guardPoll is how often it is looked whether it is used: pods are not watched.
	guardPoll = 10 * time.Second
	// maxUsers is how many users of a mesh are named.
	maxUsers = 10
)

// deletionOf is what the spec says of the removal, with defaults.
func deletionOf(spec *v1alpha1.MeshInstallSpec) (policy v1alpha1.DeletionPolicy, patience time.Duration) {
	policy, patience = v1alpha1.DeleteWhenUnused, guardTimeout
	if spec.Deletion == nil {
		return policy, patience
	}
	if spec.Deletion.Policy != nil {
		policy = *spec.Deletion.Policy
	}
	if spec.Deletion.GuardTimeout != nil {
		patience = spec.Deletion.GuardTimeout.Duration
	}
	return policy, patience
}

// guard holds the removal of a mesh that is used, where the spec does not say
// otherwise. A removal that has begun goes on.
func (r *Reconciler) guard(ctx context.Context, s *scope) error {
	inventory, err := s.applier.LoadInventory(ctx)
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	policy, patience := deletionOf(&s.install.Spec)
	if policy != v1alpha1.DeleteWhenUnused || err != nil || !inventory.Removing.IsZero() || len(inventory.Entries) == 0 {
		return nil // without an inventory there is no mesh, or no right to it
	}
	users, err := r.users(ctx, s)
	if err != nil || len(users) == 0 {
		return err
	}
	text := describeUsers(users)
	end := s.install.DeletionTimestamp.Add(patience)
	if patience > 0 && !r.Now().Before(end) {
		r.event(s, corev1.EventTypeWarning, "DeleteForced", "%s is over, and the mesh is removed though it is used: %s", patience, text)
		return nil
	}
	after, until := guardPoll, "for as long as it takes"
	if patience > 0 {
		after, until = min(guardPoll, end.Sub(r.Now())), "until "+end.UTC().Format(time.RFC3339)
	}
	if told := meta.FindStatusCondition(s.install.Status.Conditions, v1alpha1.ConditionReconciling); told == nil || told.Reason != v1alpha1.ReasonDeleteBlocked {
		r.event(s, corev1.EventTypeWarning, v1alpha1.ReasonDeleteBlocked, "the mesh is used, and not removed yet: %s", text)
	}
	return &Waiting{Reason: v1alpha1.ReasonDeleteBlocked, After: after, Message: fmt.Sprintf(
		"the removal waits %s: %s; restart them without the mesh, or set spec.deletion.policy to Immediate", until, text)}
}

// users counts what uses the mesh, by owner: pods with a sidecar of it, and
// other proxies that are connected, but for the mesh's own gateways.
func (r *Reconciler) users(ctx context.Context, s *scope) (map[string]int, error) {
	var records v1alpha1.MeshRevisionList
	if err := r.Clients.Cached.List(ctx, &records, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return nil, fmt.Errorf("list MeshRevisions: %w", err)
	}
	var revisions []string
	for i := range records.Items {
		revisions = append(revisions, records.Items[i].Name)
	}
	users, known := map[string]int{}, map[string]bool{}
	pods, err := carriers(ctx, r.Clients.Live, revisions...)
	if err != nil {
		return nil, err
	}
	for i := range pods {
		known[pods[i].Namespace+"/"+pods[i].Name] = true
		if pods[i].DeletionTimestamp == nil {
			kind, name := ownerOf(&pods[i])
			users[kind+" "+pods[i].Namespace+"/"+name]++
		}
	}
	return users, r.countConnected(ctx, s, known, users)
}

// countConnected adds the proxies that discovery knows, and that are in no pod
// counted so far. A discovery that cannot be asked serves nobody.
func (r *Reconciler) countConnected(ctx context.Context, s *scope, known map[string]bool, users map[string]int) error {
	var own corev1.PodList
	if err := r.Clients.Live.List(ctx, &own, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return fmt.Errorf("list pods of the mesh: %w", err)
	}
	for i := range own.Items {
		known[own.Items[i].Namespace+"/"+own.Items[i].Name] = true
	}
	for i := range own.Items {
		pod := &own.Items[i]
		if pod.Labels[plan.LabelComponent] != "discovery" || !podReady(pod) {
			continue
		}
		proxies, err := r.Discovery.Proxies(ctx, pod)
		if err != nil {
			log.FromContext(ctx).Error(err, "Asking discovery for its proxies", "pod", pod.Namespace+"/"+pod.Name)
		}
		for _, p := range proxies {
			if key := p.Namespace + "/" + p.Pod; !known[key] {
				known[key] = true
				users["proxy "+key]++
			}
		}
	}
	return nil
}

// carriers are the pods that have not ended and have a sidecar of one of the
// revisions, which the injector labels so.
func carriers(ctx context.Context, live client.Reader, revisions ...string) ([]metav1.PartialObjectMetadata, error) {
	if len(revisions) == 0 {
		return nil, nil
	}
	selector, err := carries(revisions)
	if err != nil {
		return nil, err
	}
	running := fields.AndSelectors(
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
	)
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := live.List(ctx, pods, client.MatchingLabelsSelector{Selector: selector}, client.MatchingFieldsSelector{Selector: running}); err != nil {
		return nil, fmt.Errorf("list pods with a sidecar: %w", err)
	}
	return pods.Items, nil
}

// carries selects the pods with a sidecar of one of the revisions.
func carries(revisions []string) (labels.Selector, error) {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "istio.io/rev", Operator: metav1.LabelSelectorOpIn, Values: revisions},
		{Key: plan.LabelComponent, Operator: metav1.LabelSelectorOpDoesNotExist},
	}})
	if err != nil {
		return nil, fmt.Errorf("select pods with a sidecar: %w", err)
	}
	return selector, nil
}

// describeUsers says how many use the mesh, and names those with most pods.
func describeUsers(users map[string]int) string {
	total := 0
	for _, n := range users {
		total += n
	}
	names := slices.SortedFunc(maps.Keys(users), func(a, b string) int {
		return cmp.Or(users[b]-users[a], strings.Compare(a, b))
	})
	more := ""
	if n := len(names) - maxUsers; n > 0 {
		names, more = names[:maxUsers], fmt.Sprintf(" and %d more", n)
	}
	for i, name := range names {
		if users[name] > 1 {
			names[i] = fmt.Sprintf("%s (%d pods)", name, users[name])
		}
	}
	if total == 1 {
		return "1 pod has a proxy of it: " + names[0]
	}
	return fmt.Sprintf("%d pods have a proxy of it: %s%s", total, strings.Join(names, ", "), more)
}
