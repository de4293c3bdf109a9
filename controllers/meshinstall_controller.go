package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// +kubebuilder:rbac:groups=meshwright.io,resources=meshinstalls,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=meshwright.io,resources=meshinstalls/status,verbs=patch
// +kubebuilder:rbac:groups=meshwright.io,resources=meshrevisions,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingadmissionpolicies;mutatingadmissionpolicybindings;mutatingwebhookconfigurations,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler brings the cluster to what each MeshInstall says.
type Reconciler struct {
	// Set when made, read-only afterwards.
	Clients apply.Clients
	Events  events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Image of the operands of a version; nil, or an empty answer, means the
	// version's own.
	Image func(version string) string
	// Server says which Kubernetes this is.
	Server discovery.ServerVersionInterface
	// AdmissionPolicies is true where the API server has admission policies.
	AdmissionPolicies bool
	// Discovery asks the discovery of a revision about its proxies.
	Discovery Discovery
	// Roots reads the mesh's root certificates.
	Roots client.Reader
	// OperatorNamespace is where the operator runs.
	OperatorNamespace string
	// MeshNamespaces and GatewayNamespaces are those in which the operator
	// was given rights.
	MeshNamespaces, GatewayNamespaces []string

	// What the process remembers; each may be used concurrently.
	memory *apply.Memory
	status statusMemory
	told   sync.Map // of what happens once, by MeshInstall and note
}

// scope is one reconciliation. Steps run one after another and hand values on
// in it.
type scope struct {
	// Known from the start.
	install *v1alpha1.MeshInstall
	applier *apply.Applier
	// read is the resource version of install as it was read.
	read string

	// Set by values: the YAML that each entry of spec.valuesFrom leads to.
	values []string
	// Set by render: what is worked towards. After a rollback that is what
	// serves, and wanted what the spec asks for.
	target *plan.Plan
	// Set by observe: what is stored, and what is being brought up to date.
	stored, inventory *apply.Inventory
	// Set by observe and changed by activate: the revision that serves; nil
	// when there is none, or when its record cannot be rendered any more.
	active *plan.Plan
	// Set by countUnmeshed, where a revision serves.
	unmeshed *v1alpha1.UnmeshedStatus
	// Set by preview: what would change. Set by publish: the ConfigMap with it.
	planned []apply.Planned
	planRef string
	// Set by observe: the MeshRevisions of this install, by name.
	records []v1alpha1.MeshRevision
	// Set by decide: how to update, what the rollout decided of the target, and
	// why it was rolled back, if it was.
	update  *v1alpha1.Update
	wanted  *plan.Plan
	decided v1alpha1.MeshRevisionStatus
	failed  *v1alpha1.HistoryEntry
	// Set by judgeTarget and judgeInstall.
	states []apply.State
	// degraded is a fault that does not keep the mesh from being ready.
	degraded *Waiting
	// Set by retain, and by activate: former revisions that are kept whole.
	retained []*plan.Plan
	// wake is when to look again, whatever the outcome; 0 for not by itself.
	wake time.Duration
	// Set by judgeTarget: the Deployments that serve, where the target's do not.
	serving []apply.State
	// Set by apply, once all of it was. Set by keep: what the steps are about is
	// not what the spec asks for.
	applied, keeps bool
	// drift is what is left as somebody else made it, set by apply.
	drift []apply.Change
	// Set by begin: since when the mesh is being removed.
	removing time.Time
}

// Reconcile runs the steps for one MeshInstall and writes its status.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	install := &v1alpha1.MeshInstall{}
	if err := r.Clients.Cached.Get(ctx, request.NamespacedName, install); err != nil {
		if client.IgnoreNotFound(err) == nil {
			forgetMetrics(request.Name)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("read MeshInstall %s: %w", request.Name, err)
	}
	s := &scope{install: install, read: install.ResourceVersion, applier: r.applierFor(install)}
	err := classify(run(ctx, r.stepsFor(install), s))
	if errors.Is(err, errGone) {
		return ctrl.Result{}, nil
	}
	kept := r.keep(ctx, s, err)
	if writeErr := r.writeStatus(ctx, s, err); client.IgnoreNotFound(writeErr) != nil {
		err = errors.Join(err, writeErr)
	}
	if kept != nil {
		return ctrl.Result{}, errors.Join(err, kept)
	}
	when, err := result(err, s.degraded)
	if len(s.values) > 0 {
		s.wakeIn(valuesRetry)
	}
	if err == nil && s.wake > 0 && (when.RequeueAfter == 0 || when.RequeueAfter > s.wake) {
		when.RequeueAfter = s.wake
	}
	return when, err
}

// wakeIn has the MeshInstall looked at after a time at the latest.
func (s *scope) wakeIn(d time.Duration) {
	if s.wake == 0 || d < s.wake {
		s.wake = d
	}
}

// applierFor writes for one MeshInstall.
func (r *Reconciler) applierFor(install *v1alpha1.MeshInstall) *apply.Applier {
	namespace := install.Spec.Namespace
	return apply.New(r.Clients, r.memory, apply.Owner{
		Object: install, GVK: v1alpha1.GroupVersion.WithKind("MeshInstall"),
		Labels:    map[string]string{plan.LabelInstall: install.Name, plan.LabelManagedBy: plan.ManagedBy},
		Inventory: client.ObjectKey{Namespace: namespace, Name: "meshwright-inventory-" + install.Name},
		Report:    install.Spec.Drift == v1alpha1.DriftReport,
		Adopt:     install.Spec.Adoption != nil && install.Spec.Adoption.Enabled,
	})
}

// step is one thing that a reconciliation does. An error ends the list.
type step struct {
	name string
	do   func(context.Context, *scope) error
}

func run(ctx context.Context, steps []step, s *scope) error {
	for _, step := range steps {
		if err := step.do(log.IntoContext(ctx, log.FromContext(ctx).WithValues("step", step.name)), s); err != nil {
			return err
		}
	}
	return nil
}

// result is the one place that says when to come back.
func result(err error, degraded *Waiting) (ctrl.Result, error) {
	var stalled *Stalled
	var waiting *Waiting
	switch {
	case errors.As(err, &stalled) && stalled.Unwatched:
		return ctrl.Result{RequeueAfter: stalledRetry}, nil
	case errors.As(err, &stalled):
		return ctrl.Result{}, nil
	case errors.As(err, &waiting):
		return ctrl.Result{RequeueAfter: waiting.After}, nil
	case err == nil && degraded != nil:
		return ctrl.Result{RequeueAfter: degraded.After}, nil
	}
	return ctrl.Result{}, err
}
