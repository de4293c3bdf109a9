package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// statusMemory bridges the time until the cache shows the status that was
// written last, so that nothing is written twice.
type statusMemory struct {
	mu      sync.Mutex
	written map[string]written // by MeshInstall
}

type written struct {
	// over are the resource versions that the status was written over.
	over   []string
	status v1alpha1.MeshInstallStatus
}

// current is the newest status that is known of a MeshInstall.
func (m *statusMemory) current(install *v1alpha1.MeshInstall) *v1alpha1.MeshInstallStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, ok := m.written[install.Name]; ok && slices.Contains(w.over, install.ResourceVersion) {
		return w.status.DeepCopy()
	}
	return install.Status.DeepCopy()
}

func (m *statusMemory) keep(s *scope, status *v1alpha1.MeshInstallStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.written == nil {
		m.written = map[string]written{}
	}
	m.written[s.install.Name] = written{[]string{s.read, s.install.ResourceVersion}, *status.DeepCopy()}
}

// writeStatus is the one place that writes the status, and only on change.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope, outcome error) error {
	before := r.status.current(s.install)
	status := before.DeepCopy()
	s.report(status)
	setConditions(status, s.install.Generation, s.verdict(outcome, status))
	setMetrics(s.install, status)
	if equality.Semantic.DeepEqual(before, status) {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return fmt.Errorf("write status of MeshInstall %s: %w", s.install.Name, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MeshInstall"))
	o.SetName(s.install.Name)
	if err := r.Clients.Writer.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(apply.FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("write status of MeshInstall %s: %w", s.install.Name, err)
	}
	r.status.keep(s, status)
	return nil
}

// report fills in what the steps found. What they did not come to stays as it was.
func (s *scope) report(status *v1alpha1.MeshInstallStatus) {
	if wanted := cmp.Or(s.wanted, s.target); wanted != nil && !s.keeps {
		status.TargetRevision, status.RenderedHash = wanted.Revision, wanted.Hash
	}
	if s.inventory == nil || s.target == nil {
		return
	}
	if s.wanted != nil {
		s.reportRollout(status)
	}
	if status.Unmeshed = s.unmeshed; s.unmeshed != nil && s.unmeshed.Workloads == 0 {
		status.Unmeshed = nil
	}
	status.ActiveRevision, status.Version = s.inventory.Active, ""
	if s.active != nil {
		status.Version = s.active.Version
	}
	status.Revisions, status.Plan = s.revisions(), s.planStatus()
	if len(s.states) > 0 {
		status.Components = s.components()
	}
}

func (s *scope) revisions() []v1alpha1.RevisionStatus {
	versions := map[string]string{s.target.Revision: s.target.Version}
	said := map[string]v1alpha1.MeshRevisionStatus{}
	for _, record := range s.records {
		versions[record.Name], said[record.Name] = record.Spec.Version, record.Status
	}
	phases := map[string]v1alpha1.RevisionPhase{}
	if s.install.Spec.Mode == v1alpha1.ModeApply || s.install.Spec.Mode == "" {
		phases[s.target.Revision] = v1alpha1.RevisionPending
	}
	if s.begun() {
		phases[s.target.Revision] = v1alpha1.RevisionCanary
	}
	if s.failed != nil {
		phases[s.wanted.Revision] = v1alpha1.RevisionFailed
	}
	for _, name := range s.inventory.Retired {
		if _, whole := s.inventory.Retained[name]; whole {
			phases[name] = v1alpha1.RevisionRetiring
		} else if phases[name] == "" {
			phases[name] = v1alpha1.RevisionRetired
		}
	}
	if s.inventory.Active != "" {
		phases[s.inventory.Active] = v1alpha1.RevisionActive
	}
	var out []v1alpha1.RevisionStatus
	for name, phase := range phases {
		revision := v1alpha1.RevisionStatus{Name: name, Version: versions[name], Phase: phase, Proxies: said[name].ProxiesConnected, Namespaces: said[name].Namespaces}
		if phase == v1alpha1.RevisionRetired || phase == v1alpha1.RevisionFailed {
			revision.Proxies = nil // its discovery is gone
		}
		out = append(out, revision)
	}
	slices.SortFunc(out, func(a, b v1alpha1.RevisionStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// components are the Deployments of the target, gateways with the addresses
// of their Services.
func (s *scope) components() []v1alpha1.ComponentStatus {
	addresses := map[string][]string{}
	for _, state := range s.states {
		if len(state.Addresses) > 0 {
			addresses[state.Ref.Namespace+"/"+state.Ref.Name] = state.Addresses
		}
	}
	var out []v1alpha1.ComponentStatus
	for _, o := range s.target.RevisionSet {
		at := slices.IndexFunc(s.states, func(state apply.State) bool { return state.Ref == apply.RefOf(o) })
		if o.GetKind() != "Deployment" || at < 0 {
			continue
		}
		state := s.states[at]
		c := v1alpha1.ComponentStatus{Name: o.GetLabels()[plan.LabelComponent], Revision: s.target.Revision, Version: s.target.Version, Ready: state.ReadyPods, Desired: state.DesiredPods, Message: state.Message}
		if gateway, ok := strings.CutPrefix(c.Name, "gateway-"); ok {
			c.Name = "gateway/" + o.GetNamespace() + "/" + gateway
			c.Addresses = addresses[o.GetNamespace()+"/meshwright-"+gateway]
		}
		out = append(out, c)
	}
	if s.target.NeedsRootCert() {
		// Nothing runs for it.
		out = append(out, v1alpha1.ComponentStatus{Name: "injector", Revision: s.target.Revision, Version: s.target.Version, Message: "the API server injects pods, by MutatingAdmissionPolicy meshwright-injector-" + s.target.Revision})
	}
	slices.SortFunc(out, func(a, b v1alpha1.ComponentStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// verdict is what a status says in its conditions.
type verdict struct {
	// headline is the one of Ready, Reconciling and Stalled that is True.
	headline, reason, message string
	available, degraded       bool
	// degradedReason and degradedMessage speak when degraded is true.
	degradedReason, degradedMessage string
	// canary is what is under way that an update of the operator would disturb.
	canary string
}

// verdict judges the end of the steps, with the status as far as it is known.
func (s *scope) verdict(outcome error, status *v1alpha1.MeshInstallStatus) verdict {
	v := verdict{available: s.available(status), canary: s.canaryUnderWay(status)}
	var stalled *Stalled
	var waiting *Waiting
	idleReason, idleMessage := "", ""
	if outcome == nil {
		idleReason, idleMessage = s.idle()
	}
	switch {
	case idleReason != "":
		v.headline, v.reason, v.message = v1alpha1.ConditionReady, idleReason, idleMessage
	case outcome == nil:
		v.headline, v.reason = v1alpha1.ConditionReady, v1alpha1.ReasonReady
		v.message = fmt.Sprintf("revision %s of version %s serves", status.ActiveRevision, status.Version)
	case errors.As(outcome, &stalled):
		v.headline, v.reason, v.message = v1alpha1.ConditionStalled, stalled.Reason, stalled.Message
	case errors.As(outcome, &waiting):
		v.headline, v.reason, v.message = v1alpha1.ConditionReconciling, waiting.Reason, waiting.Message
	default:
		v.headline, v.reason, v.message = v1alpha1.ConditionReconciling, v1alpha1.ReasonRetrying, outcome.Error()
	}
	lost := missing(s.serving)
	switch {
	case lost != nil:
		v.degraded, v.degradedReason, v.degradedMessage = true, lost.Reason, lost.Message
	case s.degraded != nil && (outcome == nil || len(s.drift) > 0 || s.keeps):
		v.degraded, v.degradedReason, v.degradedMessage = true, s.degraded.Reason, s.degraded.Message
	case outcome != nil && v.reason == v1alpha1.ReasonComponentNotReady:
		v.degraded, v.degradedReason, v.degradedMessage = true, v.reason, v.message
	}
	return v
}

// available reports whether the mesh serves: a revision is active and each of
// its Deployments that was looked at has a pod.
func (s *scope) available(status *v1alpha1.MeshInstallStatus) bool {
	if status.ActiveRevision == "" {
		return false
	}
	states := s.states
	if s.target == nil || s.target.Revision != status.ActiveRevision {
		states = s.serving
	}
	return !slices.ContainsFunc(states, func(state apply.State) bool { return state.Ref.Kind == "Deployment" && !state.Serving })
}

// canaryUnderWay says which canary is under way; it is empty where there is none.
// While that cannot be told, it is as it was.
func (s *scope) canaryUnderWay(status *v1alpha1.MeshInstallStatus) string {
	c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionUpdateAllowed)
	switch {
	case s.wanted == nil && c != nil && c.Status == metav1.ConditionFalse:
		return c.Message
	case s.wanted != nil && s.decided.Phase == v1alpha1.RevisionCanary:
		return "revision " + s.wanted.Revision + " is given the mesh step by step"
	}
	return ""
}

// setConditions writes all conditions. Exactly one of Ready, Reconciling
// and Stalled is True.
func setConditions(status *v1alpha1.MeshInstallStatus, generation int64, v verdict) {
	status.ObservedGeneration = generation
	set := func(kind string, is bool, reason, message string) {
		value := metav1.ConditionFalse
		if is {
			value = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: message, ObservedGeneration: generation,
		})
	}
	// One line, because it is a column of kubectl get.
	line, _, _ := strings.Cut(v.message, "\n")
	set(v1alpha1.ConditionReady, v.headline == v1alpha1.ConditionReady, v.reason, line)
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if v.headline == kind {
			set(kind, true, v.reason, v.message)
		} else {
			set(kind, false, v1alpha1.ReasonAsWanted, "")
		}
	}
	if v.canary != "" {
		set(v1alpha1.ConditionUpdateAllowed, false, v1alpha1.ReasonCanary, v.canary)
	} else {
		set(v1alpha1.ConditionUpdateAllowed, true, v1alpha1.ReasonAsWanted, "")
	}
	if v.available {
		set(v1alpha1.ConditionAvailable, true, v1alpha1.ReasonAsWanted, "revision "+status.ActiveRevision+" serves")
	} else if status.ActiveRevision == "" {
		set(v1alpha1.ConditionAvailable, false, v1alpha1.ReasonNotInstalled, "no revision is active")
	} else {
		set(v1alpha1.ConditionAvailable, false, v1alpha1.ReasonComponentNotReady, line)
	}
	if v.degraded {
		set(v1alpha1.ConditionDegraded, true, v.degradedReason, v.degradedMessage)
	} else {
		set(v1alpha1.ConditionDegraded, false, v1alpha1.ReasonAsWanted, "")
	}
}
