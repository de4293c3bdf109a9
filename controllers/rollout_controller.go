package controllers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

// +kubebuilder:rbac:groups=meshwright.io,resources=meshrevisions/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=create;list
// +kubebuilder:rbac:groups=meshwright.io,resources=meshrevisions/debug,verbs=get

// rolloutManager writes the status of MeshRevisions.
const rolloutManager = "meshwright-rollout"

// rolloutPoll is how often gates are measured while an update is under way.
const rolloutPoll = 2 * time.Second

// Rollout gives the mesh to a new revision step by step. It decides, and writes
// what it decided into the status of the MeshRevisions; the Reconciler makes it
// so. It is the only writer of that status.
type Rollout struct {
	// Set when made, read-only afterwards.
	Clients apply.Clients
	Events  events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Discovery asks the discovery of a revision about its proxies.
	Discovery Discovery

	// told are the workloads that were told that they have no sidecar, by
	// MeshInstall and name. One reconciliation runs at a time.
	told map[string]struct{}
}

// rolloutScope is one reconciliation of the rollout.
type rolloutScope struct {
	install *v1alpha1.MeshInstall
	records []v1alpha1.MeshRevision

	// Set by find: the revision that the spec asks for, and that which serves;
	// nil when there is none.
	target, active *v1alpha1.MeshRevision
	// Set by survey: the namespaces that belong to the mesh.
	scope []metav1.PartialObjectMetadata
	// Set by tell: the pods that came up without a sidecar.
	unmeshed []metav1.PartialObjectMetadata
	// Set by migrate, as far as it had to ask: whether restarts would help pods
	// without a sidecar, by their namespace and labels.
	tried map[string]string
	// Set by migrate.
	update *v1alpha1.Update
	// Set by wanted: the target as it was rendered.
	plan *plan.Plan
	// Set by populate.
	namespaces []rollout.Namespace
	// Set by migrate: how far the restarts are, nil where there are none.
	workloads *v1alpha1.WorkloadsStatus
	blockedBy []string
	// Set by measure.
	signals *rollout.Signals
	// Set by advance, or by await.
	after  *v1alpha1.MeshRevisionStatus
	events []rollout.Event
}

// rolloutStep is one thing that a reconciliation does. An error ends the list.
type rolloutStep struct {
	name string
	do   func(context.Context, *rolloutScope) error
}

var (
	// errIdle ends a reconciliation when there is no update.
	errIdle = errors.New("there is no update")
	// errStale ends one that was about an older state than the stored one.
	errStale = errors.New("the cache lags")
)

// staleRetry is how soon a cache is asked again that lagged.
const staleRetry = 100 * time.Millisecond

func (r *Rollout) steps() []rolloutStep {
	return []rolloutStep{
		{"find", r.find},
		{"settle", r.settle},
		{"survey", r.survey},
		{"tell", r.tell},
		{"migrate", r.migrate},
		{"wanted", r.wanted},
		{"await", r.await},
		{"populate", r.populate},
		{"measure", r.measure},
		{"advance", r.advance},
		{"write", r.write},
	}
}

// Reconcile takes the rollout of one MeshInstall as far as it goes now.
func (r *Rollout) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	install := &v1alpha1.MeshInstall{}
	if err := r.Clients.Cached.Get(ctx, request.NamespacedName, install); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if mode := install.Spec.Mode; !install.DeletionTimestamp.IsZero() || mode != "" && mode != v1alpha1.ModeApply {
		return ctrl.Result{}, nil
	}
	s := &rolloutScope{install: install}
	for _, step := range r.steps() {
		err := step.do(log.IntoContext(ctx, log.FromContext(ctx).WithValues("step", step.name)), s)
		switch {
		case errors.Is(err, errIdle) && s.workloads != nil && s.workloads.Waiting > 0:
			return ctrl.Result{RequeueAfter: rolloutPoll}, nil
		case errors.Is(err, errIdle) && s.inVain():
			return ctrl.Result{RequeueAfter: inVainRetry}, nil
		case errors.Is(err, errIdle):
			return ctrl.Result{RequeueAfter: s.wake(r.Now())}, nil
		case errors.Is(err, errStale):
			return ctrl.Result{RequeueAfter: staleRetry}, nil
		case err != nil:
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: rolloutPoll}, nil
}

// find reads the revisions of the MeshInstall, and which of them is wanted and
// which serves.
func (r *Rollout) find(ctx context.Context, s *rolloutScope) error {
	var records v1alpha1.MeshRevisionList
	if err := r.Clients.Cached.List(ctx, &records, client.MatchingLabels{plan.LabelInstall: s.install.Name}); err != nil {
		return fmt.Errorf("list MeshRevisions: %w", err)
	}
	s.records = records.Items
	for i := range s.records {
		switch s.records[i].Name {
		case s.install.Status.ActiveRevision:
			s.active = &s.records[i]
		case s.install.Status.TargetRevision:
			s.target = &s.records[i]
		}
	}
	if s.refused() {
		return errIdle
	}
	return nil
}

// refused reports whether the spec cannot be met: then nobody knows what is
// wanted, and everything stays as it is until somebody says so.
func (s *rolloutScope) refused() bool {
	c := meta.FindStatusCondition(s.install.Status.Conditions, v1alpha1.ConditionStalled)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.install.Generation {
		return false
	}
	switch c.Reason {
	case v1alpha1.ReasonRolledBack, v1alpha1.ReasonUpdatePaused, v1alpha1.ReasonDeadlineExceeded, v1alpha1.ReasonObjectConflict, v1alpha1.ReasonRefused:
		return false // these are about the mesh
	}
	return true
}

// wake is when to look again at a revision that is not up.
func (s *rolloutScope) wake(now time.Time) time.Duration {
	if s.after == nil {
		return 0
	}
	if deadline := rollout.Deadline(*s.after, s.update); !deadline.IsZero() {
		return max(deadline.Sub(now), rolloutPoll)
	}
	return 0
}

// settle writes what became of the revisions that are not under way: one
// serves, others did once, or were superseded.
func (r *Rollout) settle(ctx context.Context, s *rolloutScope) error {
	if s.install.Status.ObservedGeneration != s.install.Generation {
		return nil // it is not known yet what is wanted
	}
	for i := range s.records {
		record := &s.records[i]
		var after v1alpha1.MeshRevisionStatus
		switch record {
		case s.target:
			continue
		case s.active:
			after = r.serving(s, record)
		default:
			after = rollout.Supersede(rollout.Input{Now: r.Now(), Revision: record.Name, Version: record.Spec.Version, Before: record.Status})
			if slices.ContainsFunc(s.install.Status.Revisions, func(r v1alpha1.RevisionStatus) bool {
				return r.Name == record.Name && r.Phase == v1alpha1.RevisionRetiring
			}) {
				after.Phase = v1alpha1.RevisionRetiring
			}
		}
		if err := r.store(ctx, record, after); err != nil {
			return err
		}
	}
	return nil
}

// serving is the status of the revision that serves. One that was not given
// the mesh by steps is promoted here.
func (r *Rollout) serving(s *rolloutScope, record *v1alpha1.MeshRevision) v1alpha1.MeshRevisionStatus {
	after := *record.Status.DeepCopy()
	if after.Phase == v1alpha1.RevisionActive {
		return after
	}
	return v1alpha1.MeshRevisionStatus{
		ObservedGeneration: s.install.Generation, Phase: v1alpha1.RevisionActive,
		Result: &v1alpha1.HistoryEntry{Revision: record.Name, Version: record.Spec.Version, Result: v1alpha1.HistoryPromoted, At: metav1.NewTime(r.Now()).Rfc3339Copy()},
	}
}

// wanted ends where there is nothing to give.
func (r *Rollout) wanted(_ context.Context, s *rolloutScope) error {
	if s.target == nil || s.active == nil {
		return errIdle
	}
	var err error
	if s.plan, err = plan.FromRecord(s.target); err != nil {
		return err
	}
	return nil
}

// await counts the time that a revision takes which is not given the mesh by
// steps, and ends with that.
func (r *Rollout) await(ctx context.Context, s *rolloutScope) error {
	if *s.update.Strategy == v1alpha1.UpdateCanary {
		return nil
	}
	in, err := r.input(ctx, s)
	if err != nil {
		return err
	}
	after, happened := rollout.Await(in)
	s.after, s.events = &after, happened
	return r.write(ctx, s)
}

// input is what the next state follows from, but for what is measured.
func (r *Rollout) input(ctx context.Context, s *rolloutScope) (rollout.Input, error) {
	in := rollout.Input{
		Now: r.Now(), Generation: s.install.Generation, Revision: s.target.Name, Version: s.target.Spec.Version,
		Update: s.update, Before: s.target.Status, Ready: s.ready(), Namespaces: s.namespaces,
		Workloads: s.workloads, BlockedBy: s.blockedBy,
	}
	if in.Ready || in.Before.Phase == v1alpha1.RevisionCanary {
		return in, nil
	}
	var err error
	in.Down, err = r.down(ctx, s)
	return in, err
}

// advance works out the next state.
func (r *Rollout) advance(ctx context.Context, s *rolloutScope) error {
	in, err := r.input(ctx, s)
	if err != nil {
		return err
	}
	_, gateways := s.plan.Namespaces()
	in.Gateways = len(gateways) > 0
	if s.signals != nil {
		in.Gates = rollout.Gates(s.update.Canary.Gates, s.target.Name, *s.signals)
	}
	after, happened, err := rollout.Next(in)
	if after.Phase == v1alpha1.RevisionFailed && after.Update != nil && s.workloads != nil {
		after.Update.Workloads, after.Update.BlockedBy = s.workloads, s.blockedBy // those that are put back
	}
	if s.signals != nil && s.signals.Discovery == "" {
		n := int32(s.signals.Connected)
		after.ProxiesConnected = &n
	}
	s.after, s.events = &after, happened
	return err
}

// ready reports whether the Reconciler has the target up, as the spec is now,
// and waits for us.
func (s *rolloutScope) ready() bool {
	c := meta.FindStatusCondition(s.install.Status.Conditions, v1alpha1.ConditionReconciling)
	return c != nil && c.Status == metav1.ConditionTrue && c.Reason == v1alpha1.ReasonCanary && c.ObservedGeneration == s.install.Generation
}

// write stores the next state and then tells what happened.
func (r *Rollout) write(ctx context.Context, s *rolloutScope) error {
	if err := r.store(ctx, s.target, *s.after); err != nil {
		return err
	}
	for _, e := range s.events {
		kind := corev1.EventTypeNormal
		if e.Warning {
			kind = corev1.EventTypeWarning
		}
		log.FromContext(ctx).Info("Rollout went on", "reason", e.Reason, "note", e.Note)
		r.Events.Eventf(s.install, s.target, kind, e.Reason, "Rollout", "%s", short(e.Note))
		if e.Reason == "RolledBack" {
			rollbacks.WithLabelValues(s.after.Result.Reason).Inc()
		}
	}
	switch s.after.Phase {
	case v1alpha1.RevisionActive, v1alpha1.RevisionFailed:
		return errIdle
	case v1alpha1.RevisionPending:
		return errIdle // the Reconciler says when it is up, Git when it is approved
	}
	return nil
}

// store writes the status of a record if it is another. It fails when somebody
// changed the record meanwhile.
func (r *Rollout) store(ctx context.Context, record *v1alpha1.MeshRevision, after v1alpha1.MeshRevisionStatus) error {
	if reflect.DeepEqual(normal(record.Status), normal(after)) {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&after)
	if err != nil {
		return fmt.Errorf("write status of MeshRevision %s: %w", record.Name, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MeshRevision"))
	o.SetName(record.Name)
	// What was decided was decided on what was read: a cache that lags must not
	// take a step twice.
	o.SetResourceVersion(record.ResourceVersion)
	err = r.Clients.Writer.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(rolloutManager), client.ForceOwnership)
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		return errStale
	}
	return fmt.Errorf("write status of MeshRevision %s: %w", record.Name, err)
}

// normal is a status as it is read again: empty lists are none.
func normal(s v1alpha1.MeshRevisionStatus) map[string]any {
	fields, _ := runtime.DefaultUnstructuredConverter.ToUnstructured(&s)
	return fields
}

// register lets the rollout look whenever a MeshInstall or a MeshRevision
// changes, its status too.
func (r *Rollout) register(manager ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(manager).Named("rollout").
		For(&v1alpha1.MeshInstall{}).
		Watches(&v1alpha1.MeshRevision{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: o.GetLabels()[plan.LabelInstall]}}}
		}))
	return onUnmeshed(b, r.Clients.Cached).Complete(r)
}

// systemNamespaces are never in a mesh.
var systemNamespaces = []string{"kube-node-lease", "kube-public", "kube-system"}

// survey finds the namespaces that belong to the mesh.
func (r *Rollout) survey(ctx context.Context, s *rolloutScope) error {
	var invalid *plan.Invalid
	var err error
	if s.scope, err = namespacesOf(ctx, r.Clients.Cached, s.install); errors.As(err, &invalid) {
		return errIdle // the Reconciler says what is wrong with the spec
	}
	return err
}

// populate lists the namespaces of the mesh: those that opt in by label, and
// those with a pod that has a proxy of one of its revisions.
func (r *Rollout) populate(ctx context.Context, s *rolloutScope) error {
	pods, err := r.proxied(ctx, s.active.Name, s.target.Name)
	if err != nil {
		return err
	}
	mesh, gateways := s.plan.Namespaces()
	own := slices.Concat([]string{mesh}, systemNamespaces, gateways)
	for i := range s.scope {
		n := &s.scope[i]
		has := slices.ContainsFunc(pods, func(p metav1.PartialObjectMetadata) bool { return p.Namespace == n.Name })
		if slices.Contains(own, n.Name) || !n.DeletionTimestamp.IsZero() || !has && !s.optsIn(n.Labels) {
			continue
		}
		s.namespaces = append(s.namespaces, rollout.Namespace{Name: n.Name, UID: string(n.UID), Labels: n.Labels})
	}
	return nil
}

// optsIn reports whether the labels of a namespace ask for this mesh.
func (s *rolloutScope) optsIn(labels map[string]string) bool {
	tags := plan.TagsOf(s.install.Spec)
	if injection, ok := labels["istio-injection"]; ok {
		return injection == "enabled" && slices.Contains(tags, plan.DefaultTag)
	}
	return slices.Contains(append(slices.Clone(tags), s.active.Name, s.target.Name), labels["istio.io/rev"])
}

// proxied lists the running pods with a sidecar of one of the revisions, which
// the injector labels so.
func (r *Rollout) proxied(ctx context.Context, revisions ...string) ([]metav1.PartialObjectMetadata, error) {
	selector, err := carries(revisions)
	if err != nil {
		return nil, err
	}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := r.Clients.Live.List(ctx, pods, client.MatchingLabelsSelector{Selector: selector}, client.MatchingFields{"status.phase": string(corev1.PodRunning)}); err != nil {
		return nil, fmt.Errorf("list pods with a proxy: %w", err)
	}
	return pods.Items, nil
}
