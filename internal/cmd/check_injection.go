package cmd

import (
	"context"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/check"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// ownObjects selects what the operator made.
var ownObjects = metav1.ListOptions{LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy}

// doors finds what injects, and what it lacks.
func (r *factReader) doors(ctx context.Context) error {
	if r.facts.Policies {
		bound := map[string]bool{}
		bindings, err := r.client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().List(ctx, ownObjects)
		if err != nil {
			return fmt.Errorf("list bindings of policies: %w", err)
		}
		for i := range bindings.Items {
			bound[bindings.Items[i].Spec.PolicyName] = true
		}
		policies, err := r.client.AdmissionregistrationV1().MutatingAdmissionPolicies().List(ctx, ownObjects)
		if err != nil {
			return fmt.Errorf("list policies: %w", err)
		}
		for i := range policies.Items {
			p := &policies.Items[i]
			door := check.Door{Revision: p.Labels[plan.LabelRevision], Name: "MutatingAdmissionPolicy " + p.Name}
			if !bound[p.Name] {
				door.Lacks = "it has no binding"
			}
			if slices.ContainsFunc(p.Spec.Variables, func(v admissionv1.Variable) bool { return v.Name == "rootCert" && v.Expression == `""` }) {
				door.Lacks = "it has no root certificate yet"
			}
			r.facts.Doors = append(r.facts.Doors, door)
		}
	}
	webhooks, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, ownObjects)
	if err != nil {
		return fmt.Errorf("list webhooks: %w", err)
	}
	for i := range webhooks.Items {
		w := &webhooks.Items[i]
		door := check.Door{Revision: w.Labels[plan.LabelRevision], Name: "MutatingWebhookConfiguration " + w.Name}
		for _, hook := range w.Webhooks {
			if len(hook.ClientConfig.CABundle) == 0 {
				door.Lacks = "the injector has not written its caBundle"
			}
		}
		r.facts.Doors = append(r.facts.Doors, door)
	}
	return nil
}

// trials creates a pod in a dry run for each mesh, where a namespace asks for
// it, else in one of its namespaces, default if it can be, with a label that
// does. A mesh of no namespace has nothing to try.
func (r *factReader) trials(ctx context.Context) error {
	namespaces, err := r.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	for i := range r.facts.Installs {
		install := &r.facts.Installs[i]
		if install.Status.ActiveRevision == "" {
			continue
		}
		trial := check.Trial{Wanted: install.Status.ActiveRevision}
		set := map[string]string{"istio.io/rev": plan.TagsOf(install.Spec)[0]}
		for i := range namespaces.Items {
			n := &namespaces.Items[i]
			if asksFor(install, n) {
				trial.Namespace, set = n.Name, nil
				break
			}
			if asksForNone(install, n) && (trial.Namespace == "" || n.Name == metav1.NamespaceDefault) {
				trial.Namespace = n.Name
			}
		}
		if trial.Namespace == "" {
			continue
		}
		pod, err := r.client.CoreV1().Pods(trial.Namespace).Create(ctx, trialPod(set), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		switch {
		case apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsInternalError(err):
			trial.Refusal = err.Error()
		case err != nil:
			return fmt.Errorf("create a pod in a dry run: %w", err)
		case pod.Annotations["sidecar.istio.io/status"] != "":
			trial.Revision = pod.Labels["istio.io/rev"]
		}
		r.facts.Trials = append(r.facts.Trials, trial)
	}
	return nil
}

// asksFor reports whether a namespace asks for sidecars of a mesh.
func asksFor(install *v1alpha1.MeshInstall, n *corev1.Namespace) bool {
	if !injectable(install, n) {
		return false
	}
	tags := plan.TagsOf(install.Spec)
	if value, ok := n.Labels["istio-injection"]; ok {
		return value == "enabled" && slices.Contains(tags, plan.DefaultTag)
	}
	return slices.Contains(append(slices.Clone(tags), install.Status.ActiveRevision), n.Labels["istio.io/rev"])
}

// asksForNone reports whether a namespace leaves it to its pods to ask.
func asksForNone(install *v1alpha1.MeshInstall, n *corev1.Namespace) bool {
	_, injection := n.Labels["istio-injection"]
	_, revision := n.Labels["istio.io/rev"]
	return injectable(install, n) && !injection && !revision
}

// injectable reports whether pods of a namespace can get sidecars of a mesh.
func injectable(install *v1alpha1.MeshInstall, n *corev1.Namespace) bool {
	scope, err := plan.ScopeOf(install.Spec)
	return err == nil && scope.Matches(labels.Set(n.Labels)) && n.DeletionTimestamp == nil &&
		n.Name != install.Spec.Namespace && !slices.Contains([]string{"kube-node-lease", "kube-public", "kube-system"}, n.Name)
}

// trialPod is one that every level of pod security admits.
func trialPod(set map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "meshwright-check-", Labels: set},
		Spec: corev1.PodSpec{
			ServiceAccountName: "default",
			SecurityContext:    &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "app", Image: "check",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
