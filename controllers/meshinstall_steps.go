package controllers

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// Finalizer holds a MeshInstall until its objects are removed in order.
const Finalizer = "meshwright.io/removal"

// addressDeadline is how long a load balancer may take to get an address
// before the mesh is ready without it, and degraded.
const addressDeadline = 2 * time.Minute

// steps is what is done for a MeshInstall that is wanted.
func (r *Reconciler) steps() []step {
	return []step{
		{"values", r.values},
		{"render", r.render},
		{"claim", r.claim},
		{"permit", r.permit},
		{"hold", r.hold},
		{"unpublish", r.unpublish},
		{"observe", r.observe},
		{"countUnmeshed", r.countUnmeshed},
		{"age", r.age},
		{"path", r.path},
		{"decide", r.decide},
		{"retain", r.retain},
		{"forget", r.forget},
		{"trust", r.trust},
		{"vet", r.vet},
		{"record", r.record},
		{"adopt", r.adopt},
		{"apply", r.apply},
		{"settle", r.settle},
		{"prune", r.prune},
		{"judgeTarget", r.judgeTarget},
		{"canary", r.canary},
		{"activate", r.activate},
		{"applyActive", r.apply},
		{"settleActive", r.settle},
		{"pruneFormer", r.prune},
		{"judgeInstall", r.judgeInstall},
		{"conclude", r.conclude},
	}
}

// hold adds our finalizer, before anything is made. What was refused until
// here has nothing to remove, and perhaps no rights to look for it.
func (r *Reconciler) hold(ctx context.Context, s *scope) error {
	before := s.install.DeepCopy()
	if !controllerutil.AddFinalizer(s.install, Finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Clients.Writer.Patch(ctx, s.install, patch, client.FieldOwner(apply.FieldManager)); err != nil {
		return fmt.Errorf("add the finalizer to MeshInstall %s: %w", s.install.Name, err)
	}
	return nil
}

// render works out the revision that the spec asks for.
func (r *Reconciler) render(_ context.Context, s *scope) error {
	defer stopwatch(renderSeconds)()
	in := plan.Input{Install: s.install.Name, Spec: s.install.Spec, ValuesFrom: s.values, AdmissionPolicies: r.AdmissionPolicies}
	if r.Image != nil {
		in.Image = r.Image(in.Spec.Version)
	}
	target, err := plan.New(in)
	s.target = target
	return err
}

// permit refuses namespaces in which the operator was given no rights, and
// says what an administrator would apply.
func (r *Reconciler) permit(_ context.Context, s *scope) error {
	mesh, gateways := s.target.Namespaces()
	field, flag, missing := "spec.namespace", "--mesh-namespaces", ""
	if !slices.Contains(r.MeshNamespaces, mesh) {
		missing = mesh
	}
	for _, ns := range gateways {
		if missing == "" && !slices.Contains(r.GatewayNamespaces, ns) {
			field, flag, missing = "spec.components.gateways", "--gateway-namespaces", ns
		}
	}
	if missing == "" {
		return nil
	}
	objects, err := plan.Access(r.OperatorNamespace, mesh, gateways)
	if err != nil {
		return err
	}
	var manifest bytes.Buffer
	if err := plan.WriteYAML(&manifest, objects); err != nil {
		return err
	}
	return &Stalled{Reason: v1alpha1.ReasonNamespaceNotPrepared, Message: fmt.Sprintf(
		"%s: the operator has no rights in namespace %q; an administrator adds it to the operator's %s and applies this:\n%s", field, missing, flag, manifest.String())}
}

// observe reads what was there before: the inventory, the records of
// revisions, and from them the revision that serves.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	if err := r.load(ctx, s); err != nil {
		return err
	}
	s.inventory.Removing = time.Time{} // somebody took the finalizer away by hand
	if len(s.inventory.Entries) == 0 {
		s.remember()
	}
	if s.inventory.Active == s.target.Revision {
		s.active = s.target
		return nil
	}
	for i := range s.records {
		if s.records[i].Name != s.inventory.Active {
			continue
		}
		var err error
		if s.active, err = plan.FromRecord(&s.records[i]); err != nil {
			// It goes on as it is until the target is ready.
			log.FromContext(ctx).Error(err, "Rendering the active revision again", "revision", s.inventory.Active)
			s.active = nil
		}
	}
	return nil
}

// remember makes up for an inventory that somebody deleted: any other revision
// that has a record may have proxies that know discovery by its name.
func (s *scope) remember() {
	for _, record := range s.records {
		if record.Name != s.target.Revision {
			s.inventory.Retired = append(s.inventory.Retired, record.Name)
		}
	}
}

// record keeps what the target was rendered from.
func (r *Reconciler) record(ctx context.Context, s *scope) error {
	record, err := s.target.Record()
	if err != nil {
		return err
	}
	if err := r.Clients.Cached.Get(ctx, client.ObjectKeyFromObject(record), &v1alpha1.MeshRevision{}); !apierrors.IsNotFound(err) {
		return err
	}
	controller := true
	record.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "MeshInstall",
		Name: s.install.Name, UID: s.install.UID, Controller: &controller,
	}}
	if err := r.Clients.Writer.Create(ctx, record, client.FieldOwner(apply.FieldManager)); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return fmt.Errorf("create MeshRevision %s: %w", record.Name, err)
	}
	log.FromContext(ctx).Info("Created revision", "revision", record.Name)
	r.event(s, corev1.EventTypeNormal, "RevisionCreated", "revision %s of version %s is being installed", record.Name, record.Spec.Version)
	return nil
}

// adopt takes over the records that a MeshInstall of this name left. Objects
// are taken over by being applied.
func (r *Reconciler) adopt(ctx context.Context, s *scope) error {
	for i := range s.records {
		if err := s.applier.Own(ctx, &s.records[i]); err != nil {
			return err
		}
	}
	return nil
}

// desired is all that shall be there now: the target, beside it the revision
// that serves until the target does, what points at that, and the names by
// which proxies of retired revisions find it. The door of the revision that
// serves is open, the target's is there and closed; a canary divides both.
func (s *scope) desired() []*unstructured.Unstructured {
	if s.active == nil {
		return slices.Concat(s.target.RevisionSet, s.target.Door(plan.Nowhere))
	}
	objects := s.installSet()
	if s.active.Revision == s.target.Revision {
		objects = slices.Concat(objects, s.active.Door(plan.Everywhere))
	} else {
		objects = slices.Concat(objects, s.doors(), s.active.RevisionSet)
	}
	for _, name := range s.inventory.Retired {
		if name != s.active.Revision && (name != s.target.Revision || !s.begun()) {
			objects = append(objects, s.active.Alias(name))
		}
	}
	// A target that was retired before keeps its alias until it is begun with.
	aliases := map[apply.Ref]bool{}
	for _, o := range objects {
		aliases[apply.RefOf(o)] = true
	}
	for _, p := range append([]*plan.Plan{s.target}, s.retained...) {
		for _, o := range p.RevisionSet {
			if !aliases[apply.RefOf(o)] {
				objects = append(objects, o)
			}
		}
	}
	for _, p := range s.retained {
		objects = append(objects, p.Door(plan.Nowhere)...)
	}
	return objects
}

// apply makes the desired objects so and puts drift right.
func (r *Reconciler) apply(ctx context.Context, s *scope) error {
	defer stopwatch(applySeconds)()
	desired := s.desired()
	s.drift, s.degraded = nil, nil
	adopted, err := s.applier.Intend(ctx, s.inventory, desired)
	if err != nil {
		return err
	}
	r.adopted(ctx, s, adopted)
	for _, o := range desired {
		change, err := s.applier.Ensure(ctx, s.inventory, o)
		if err != nil {
			return err
		}
		if len(change.Drift) > 0 {
			r.drifted(ctx, s, change)
		}
	}
	s.applied = true
	return r.saveInventory(ctx, s)
}

func (r *Reconciler) saveInventory(ctx context.Context, s *scope) error {
	if s.inventory.Equal(s.stored) {
		return nil
	}
	if err := s.applier.SaveInventory(ctx, s.inventory); err != nil {
		return err
	}
	s.stored = s.inventory.Clone()
	return nil
}

// judgeTarget waits until all of the target's own objects are ready, its door
// too: a webhook without a caBundle must not be asked.
func (r *Reconciler) judgeTarget(ctx context.Context, s *scope) error {
	if err := r.lookAtActive(ctx, s); err != nil {
		return err
	}
	if err := s.trusted(); err != nil {
		return err
	}
	return r.judge(ctx, s, slices.Concat(s.target.RevisionSet, s.target.Door(plan.Nowhere)))
}

// judge takes down the state of each object, and then ends with the worst.
func (r *Reconciler) judge(ctx context.Context, s *scope, objects []*unstructured.Unstructured) error {
	var failed, waiting error
	for _, o := range objects {
		state, err := s.applier.StateOf(ctx, apply.RefOf(o))
		if err != nil {
			return err
		}
		s.states = append(s.states, state)
		message := fmt.Sprintf("%s: %s", state.Ref, state.Message)
		switch {
		case state.Failed && failed == nil:
			failed = &Stalled{Reason: v1alpha1.ReasonDeadlineExceeded, Message: message + "; look at its pods"}
		case !state.Ready && waiting == nil:
			waiting = &Waiting{Reason: r.waitingReason(s), Message: message}
		case state.AddressPending && r.Now().Sub(state.Created) < addressDeadline && waiting == nil:
			waiting = &Waiting{Reason: v1alpha1.ReasonAddressPending, Message: fmt.Sprintf("%s: no load balancer address yet", state.Ref), After: addressDeadline - r.Now().Sub(state.Created)}
		case state.AddressPending && s.degraded == nil:
			s.degraded = &Waiting{Reason: v1alpha1.ReasonAddressPending, Message: fmt.Sprintf("%s: no load balancer gave it an address; where there is none, set the type of the gateway's service to NodePort", state.Ref)}
		}
	}
	if failed != nil {
		return failed
	}
	return waiting
}

// waitingReason tells a mesh that comes up from one that lost a part.
func (r *Reconciler) waitingReason(s *scope) string {
	if s.inventory.Active == s.target.Revision {
		return v1alpha1.ReasonComponentNotReady
	}
	return v1alpha1.ReasonProgressing
}

// activate makes the target, which is ready, the revision that serves: what is
// applied next points at it. The former revision is retired. This is stored
// first: an operator that dies halfway would else point all of it back.
func (r *Reconciler) activate(ctx context.Context, s *scope) error {
	former := s.inventory.Active
	if former == s.target.Revision {
		return nil
	}
	isTarget := func(name string) bool { return name == s.target.Revision }
	s.inventory.Retired = slices.DeleteFunc(s.inventory.Retired, isTarget)
	if former != "" {
		s.inventory.Retired = append(s.inventory.Retired, former)
		s.keepWhole(s.active, r.Now())
	}
	s.active, s.inventory.Active = s.target, s.target.Revision
	if err := r.saveInventory(ctx, s); err != nil {
		return err
	}
	log.FromContext(ctx).Info("Activated revision", "revision", s.target.Revision, "former", former)
	r.event(s, corev1.EventTypeNormal, "RevisionActivated", "revision %s serves", s.target.Revision)
	return nil
}

// prune deletes what the inventory holds and is wanted no more, and the
// records of revisions that never served. While the active revision cannot be
// rendered, nothing says what of it is wanted.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	if s.inventory.Active != "" && s.active == nil {
		return nil
	}
	desired := s.desired()
	ending, err := r.endingGateways(ctx, s, desired)
	if err != nil {
		return err
	}
	gone, err := s.applier.Prune(ctx, s.inventory, append(desired, ending...))
	for _, ref := range gone {
		log.FromContext(ctx).Info("Deleted object", "object", ref.String())
	}
	if err != nil {
		return err
	}
	if len(gone) > 0 {
		s.wakeIn(podPoll) // the gateways' Services may lead to all that is left
		r.event(s, corev1.EventTypeNormal, "Pruned", "%d objects that are not wanted any more were deleted", len(gone))
		r.tellPruned(s, gone)
	}
	if err := r.saveInventory(ctx, s); err != nil {
		return err
	}
	for i := range s.records {
		name := s.records[i].Name
		if name == s.wanted.Revision || name == s.target.Revision || name == s.inventory.Active || slices.Contains(s.inventory.Retired, name) {
			continue
		}
		if err := client.IgnoreNotFound(r.Clients.Writer.Delete(ctx, &s.records[i])); err != nil {
			return fmt.Errorf("delete MeshRevision %s: %w", name, err)
		}
	}
	return nil
}

// judgeInstall waits for what outlives revisions: the gateways' addresses.
func (r *Reconciler) judgeInstall(ctx context.Context, s *scope) error {
	return r.judge(ctx, s, s.target.InstallSet)
}

// short keeps a text within what an Event may hold, which is 1024 bytes.
func short(text string) string {
	const limit = 700
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " …"
}

// event tells about something that happened, on the MeshInstall.
func (r *Reconciler) event(s *scope, kind, reason, note string, args ...any) {
	r.Events.Eventf(s.install, nil, kind, reason, "Reconcile", note, args...)
}
