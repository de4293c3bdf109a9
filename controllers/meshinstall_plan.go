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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// diffKey is where the ConfigMap of a plan has its text, and diffLimit the
// most of it that is kept: a ConfigMap holds a mebibyte.
const (
	diffKey   = "diff"
	diffLimit = 900 << 10
)

// stepsFor are the steps for a MeshInstall in its mode.
func (r *Reconciler) stepsFor(install *v1alpha1.MeshInstall) []step {
	switch {
	case !install.DeletionTimestamp.IsZero():
		if policy, _ := deletionOf(&install.Spec); policy == v1alpha1.DeleteOrphan {
			return r.leaving()
		}
		return r.removal()
	case install.Spec.Mode == v1alpha1.ModePlan:
		return r.planning()
	case install.Spec.Mode == v1alpha1.ModePaused:
		return r.pausing()
	}
	return r.steps()
}

// planning is what is done in the mode Plan: all that leads to the desired
// objects, and then only a look at what they would change.
func (r *Reconciler) planning() []step {
	return []step{
		{"values", r.values},
		{"render", r.render},
		{"claim", r.claim},
		{"permit", r.permit},
		{"observe", r.observe},
		{"path", r.path},
		{"foresee", r.foresee},
		{"trust", r.trust},
		{"preview", r.preview},
		{"publish", r.publish},
	}
}

// pausing is what is done in the mode Paused: a look at what serves.
func (r *Reconciler) pausing() []step {
	return []step{
		{"values", r.values},
		{"render", r.render},
		{"permit", r.permit},
		{"observe", r.observe},
		{"trust", r.trust},
		{"judgePaused", r.judgePaused},
	}
}

// Preview is what an operator would change in a cluster for a MeshInstall, once
// it is done; nothing is written. install has the CRD's defaults; image is as in
// Options; values are the texts of spec.valuesFrom, read from the cluster if nil.
func Preview(ctx context.Context, config *rest.Config, image func(string) string, install *v1alpha1.MeshInstall, values []string) ([]apply.Planned, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register kinds: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	server, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	policies, err := servesPolicies(server)
	if err != nil {
		return nil, err
	}
	r := &Reconciler{
		Clients: apply.Clients{Writer: c, Live: c, Cached: c}, Roots: c, Now: time.Now, Image: image, Server: server, AdmissionPolicies: policies,
		MeshNamespaces: []string{install.Spec.Namespace}, memory: apply.NewMemory(time.Now),
	}
	install = install.DeepCopy()
	// A dry run asks for an owner with an identity.
	install.UID, install.CreationTimestamp = "00000000-0000-0000-0000-000000000000", metav1.Time{Time: r.Now()}
	stored := &v1alpha1.MeshInstall{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(install), stored); err == nil {
		install.UID, install.CreationTimestamp = stored.UID, stored.CreationTimestamp
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read MeshInstall %s: %w", install.Name, err)
	}
	s := &scope{install: install, applier: r.applierFor(install), values: values}
	steps := []step{{"values", r.values}, {"render", r.render}, {"claim", r.claim}, {"observe", r.observe}, {"path", r.path}, {"foresee", r.foresee}, {"trust", r.trust}, {"preview", r.preview}}
	err = classify(run(ctx, steps, s))
	return s.planned, err
}

// foresee works out which former revisions would be kept whole. What is stored
// stays as it is: nothing ends in this mode.
func (r *Reconciler) foresee(ctx context.Context, s *scope) error {
	update, err := plan.UpdateOf(s.install.Spec)
	if err != nil {
		return err
	}
	s.update = update
	end := *s
	end.inventory = s.inventory.Clone()
	err = r.retain(ctx, &end)
	s.retained, s.wake = end.retained, end.wake
	return err
}

// preview works out what would change until the target serves, and the former
// revision is gone or kept.
func (r *Reconciler) preview(ctx context.Context, s *scope) error {
	end := *s
	end.inventory, end.active = s.inventory.Clone(), s.target
	end.inventory.Retired = slices.DeleteFunc(end.inventory.Retired, func(name string) bool { return name == s.target.Revision })
	if former := s.inventory.Active; former != "" && former != s.target.Revision {
		end.inventory.Retired = append(end.inventory.Retired, former)
		end.keepWhole(s.active, r.Now())
	}
	planned, err := s.applier.Preview(ctx, s.inventory, end.desired())
	s.planned = planned
	return err
}

// publish keeps the difference in a ConfigMap for people to read.
func (r *Reconciler) publish(ctx context.Context, s *scope) error {
	text, err := DiffText(s.planned)
	if err != nil {
		return err
	}
	if len(text) > diffLimit {
		text = strings.ToValidUTF8(text[:diffLimit], "") + "\n… the rest is left out; run meshwright diff\n"
	}
	s.planRef = "meshwright-plan-" + s.install.Name
	o := planMap(s)
	stored := planMap(s)
	if err := r.Clients.Live.Get(ctx, client.ObjectKeyFromObject(o), stored); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read ConfigMap %s: %w", s.planRef, err)
	} else if had, _, _ := unstructured.NestedString(stored.Object, "data", diffKey); err == nil && had == text {
		return nil
	}
	o.Object["data"] = map[string]any{diffKey: text}
	return s.applier.Publish(ctx, o)
}

func planMap(s *scope) *unstructured.Unstructured {
	o := ofKind(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	o.SetNamespace(s.install.Spec.Namespace)
	o.SetName("meshwright-plan-" + s.install.Name)
	return o
}

// unpublish removes the ConfigMap of a plan once the mode is another.
func (r *Reconciler) unpublish(ctx context.Context, s *scope) error {
	if s.install.Status.Plan == nil {
		return nil
	}
	if err := r.Clients.Writer.Delete(ctx, planMap(s)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete ConfigMap meshwright-plan-%s: %w", s.install.Name, err)
	}
	return nil
}

// judgePaused judges the target where it is what serves. Where something else
// does, the spec waits, and that is as it is wished.
func (r *Reconciler) judgePaused(ctx context.Context, s *scope) error {
	if s.inventory.Active != s.target.Revision {
		return nil
	}
	return errors.Join(r.judgeTarget(ctx, s), r.judgeInstall(ctx, s))
}

// idle is what Ready says in a mode that changes nothing, where there would be
// something to change; empty otherwise.
func (s *scope) idle() (reason, message string) {
	switch plan := s.planStatus(); {
	case plan != nil && plan.Create+plan.Update+plan.Delete > 0:
		adopted := ""
		if plan.Adopt > 0 {
			adopted = fmt.Sprintf(", %d of them to adopt", plan.Adopt)
		}
		return v1alpha1.ReasonPlanned, fmt.Sprintf("planned, with nothing changed: %d objects to create, %d to update%s, %d to delete; ConfigMap %s/%s has the difference",
			plan.Create, plan.Update, adopted, plan.Delete, s.install.Spec.Namespace, s.planRef)
	case s.install.Spec.Mode == v1alpha1.ModePaused && s.inventory.Active != s.target.Revision:
		return v1alpha1.ReasonPaused, "spec.mode is Paused: revision " + s.target.Revision + " is not installed"
	}
	return "", ""
}

// planStatus counts what was planned.
func (s *scope) planStatus() *v1alpha1.PlanStatus {
	if s.planRef == "" {
		return nil
	}
	c := apply.Count(s.planned)
	return &v1alpha1.PlanStatus{
		Create: int32(c.Create), Update: int32(c.Update), Delete: int32(c.Delete), Unchanged: int32(c.Unchanged), Adopt: int32(c.Adopt), //nolint:gosec // a count of objects
		DiffRef: &v1alpha1.LocalReference{Name: s.planRef},
	}
}

// DiffText is a plan as unified diffs. Objects of two revisions that stand for
// one another are compared.
func DiffText(planned []apply.Planned) (string, error) {
	revisions := map[apply.Ref]string{}
	for _, p := range planned {
		for _, o := range []*unstructured.Unstructured{p.Before, p.After} {
			if o != nil {
				revisions[p.Ref] = o.GetLabels()[plan.LabelRevision]
			}
		}
	}
	var out strings.Builder
	err := apply.WriteDiff(&out, planned, func(ref apply.Ref) apply.Ref {
		if revision := revisions[ref]; revision != "" {
			ref.Name = strings.TrimSuffix(ref.Name, "-"+revision)
		}
		return ref
	})
	return out.String(), err
}
