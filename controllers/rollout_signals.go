package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/install/rollout"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// Discovery asks one pod of discovery which proxies are connected to it.
type Discovery interface {
	Proxies(ctx context.Context, pod *corev1.Pod) ([]cache.ProxyState, error)
}

// unansweredAfter is how long a proxy may take to answer before it counts as one
// that did not take its configuration.
const unansweredAfter = 5 * time.Second

// measure takes the signals of the step under way. Before the first and after
// the last there is nothing to measure.
func (r *Rollout) measure(ctx context.Context, s *rolloutScope) error {
	if s.target.Status.Phase != v1alpha1.RevisionCanary || s.target.Status.Update == nil {
		return nil
	}
	signals := &rollout.Signals{Workloads: s.workloads}
	if err := r.askControlPlane(ctx, s, signals); err != nil {
		return err
	}
	running, err := r.proxied(ctx, s.target.Name)
	if err != nil {
		return err
	}
	gateways, err := r.runningGateways(ctx, s)
	if err != nil {
		return err
	}
	signals.Running = len(running) + gateways
	if err := r.askDiscovery(ctx, s, signals); err != nil {
		return err
	}
	if err := r.tryInjection(ctx, s, signals); err != nil {
		return err
	}
	for _, q := range s.update.Canary.Gates.Queries {
		signals.Queries = append(signals.Queries, ask(ctx, q, s.target.Name))
	}
	s.signals = signals
	return nil
}

// runningGateways counts the running pods of the target's gateways.
func (r *Rollout) runningGateways(ctx context.Context, s *rolloutScope) (int, error) {
	running := 0
	_, namespaces := s.plan.Namespaces()
	for _, namespace := range namespaces {
		var pods corev1.PodList
		if err := r.Clients.Live.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{plan.LabelRevision: s.target.Name}); err != nil {
			return 0, fmt.Errorf("list pods of gateways: %w", err)
		}
		for i := range pods.Items {
			component := pods.Items[i].Labels[plan.LabelComponent]
			if strings.HasPrefix(component, "gateway-") && pods.Items[i].Status.Phase == corev1.PodRunning {
				running++
			}
		}
	}
	return running, nil
}

// askControlPlane looks at the target's own Deployments and their pods.
func (r *Rollout) askControlPlane(ctx context.Context, s *rolloutScope, signals *rollout.Signals) error {
	for _, o := range s.plan.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		state, err := apply.Look(ctx, r.Clients.Cached, apply.RefOf(o))
		if err != nil {
			return err
		}
		if !state.Ready && signals.ControlPlane == "" {
			signals.ControlPlane = fmt.Sprintf("%s: %s", state.Ref, state.Message)
		}
	}
	pods, err := r.ownPods(ctx, s, "")
	if err != nil {
		return err
	}
	for i := range pods {
		for _, c := range pods[i].Status.ContainerStatuses {
			last := c.LastTerminationState.Terminated
			if last != nil && last.FinishedAt.After(s.target.Status.Update.StartedAt.Time) {
				signals.Restarted = fmt.Sprintf("container %s of Pod %s/%s restarted: %s", c.Name, pods[i].Namespace, pods[i].Name, last.Reason)
			}
		}
	}
	return nil
}

// down is the first component of the target that is not up, and what its pods
// say about that; empty when all are.
func (r *Rollout) down(ctx context.Context, s *rolloutScope) (string, error) {
	for _, o := range s.plan.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		state, err := apply.Look(ctx, r.Clients.Cached, apply.RefOf(o))
		if err != nil {
			return "", err
		}
		if state.Ready {
			continue
		}
		var pods corev1.PodList
		labels := client.MatchingLabels{plan.LabelRevision: s.target.Name, plan.LabelComponent: o.GetLabels()[plan.LabelComponent]}
		if err := r.Clients.Live.List(ctx, &pods, client.InNamespace(o.GetNamespace()), labels); err != nil {
			return "", fmt.Errorf("list pods of %s: %w", state.Ref, err)
		}
		return short(strings.Join(append([]string{fmt.Sprintf("%s: %s", state.Ref, state.Message)}, complaints(pods.Items)...), "; ")), nil
	}
	return "", nil
}

// complaints are what keeps the containers of pods from running: of each pod
// the first, and of all of them at most three.
func complaints(pods []corev1.Pod) []string {
	var out []string
	for i := range pods {
		p := &pods[i]
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			reason, message := "", ""
			switch last := c.LastTerminationState.Terminated; {
			case c.State.Waiting != nil && c.State.Waiting.Reason != "PodInitializing" && c.State.Waiting.Reason != "ContainerCreating":
				reason, message = c.State.Waiting.Reason, c.State.Waiting.Message
			case last != nil && !c.Ready:
				reason, message = last.Reason, fmt.Sprintf("exit code %d", last.ExitCode)
			default:
				continue
			}
			out = append(out, strings.TrimSuffix(fmt.Sprintf("container %s of Pod %s/%s: %s: %s", c.Name, p.Namespace, p.Name, reason, message), ": "))
			break
		}
		if at := slices.IndexFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
		}); at >= 0 {
			out = append(out, fmt.Sprintf("Pod %s/%s: %s", p.Namespace, p.Name, p.Status.Conditions[at].Message))
		}
	}
	return out[:min(len(out), 3)]
}

// ownPods are the target's pods in the mesh's namespace; of one component, or of
// all.
func (r *Rollout) ownPods(ctx context.Context, s *rolloutScope, component string) ([]corev1.Pod, error) {
	labels := client.MatchingLabels{plan.LabelRevision: s.target.Name}
	if component != "" {
		labels[plan.LabelComponent] = component
	}
	var pods corev1.PodList
	if err := r.Clients.Live.List(ctx, &pods, client.InNamespace(s.plan.Namespace), labels); err != nil {
		return nil, fmt.Errorf("list pods of revision %s: %w", s.target.Name, err)
	}
	return pods.Items, nil
}

// askDiscovery asks each ready pod of the target's discovery about its proxies.
// What cannot be had is a signal too.
func (r *Rollout) askDiscovery(ctx context.Context, s *rolloutScope, signals *rollout.Signals) error {
	pods, err := r.ownPods(ctx, s, "discovery")
	if err != nil {
		return err
	}
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return !podReady(&p) })
	if len(pods) == 0 {
		signals.Discovery = "no pod of its discovery is ready"
		return nil
	}
	// A proxy that changed pods may be known to both for a while.
	proxies := map[string]cache.ProxyState{}
	for i := range pods {
		states, err := r.Discovery.Proxies(ctx, &pods[i])
		if err != nil {
			signals.Discovery = fmt.Sprintf("Pod %s/%s: %v", pods[i].Namespace, pods[i].Name, err)
			return nil
		}
		for _, p := range states {
			if p.Connected.After(proxies[p.ID].Connected) {
				proxies[p.ID] = p
			}
		}
	}
	var times []time.Duration
	signals.Connected = len(proxies)
	for _, p := range proxies {
		rejected, late := refusal(p), unanswered(p, r.Now())
		switch {
		case rejected != "":
			signals.Rejected = rejected
		case !late:
			signals.Acknowledged++
		}
		times = append(times, p.AckTimes...)
	}
	signals.PushP99 = percentile99(times)
	return nil
}

func podReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// refusal is what a proxy said of a resource that it refuses.
func refusal(p cache.ProxyState) string {
	for _, t := range p.Types {
		for _, r := range t.Rejected {
			return fmt.Sprintf("%s.%s refuses %s: %s", p.Pod, p.Namespace, r.Name, r.Error)
		}
	}
	return ""
}

func unanswered(p cache.ProxyState, now time.Time) bool {
	return slices.ContainsFunc(p.Types, func(t cache.TypeState) bool {
		return !t.UnackedSince.IsZero() && now.Sub(t.UnackedSince) > unansweredAfter
	})
}

func percentile99(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)*99+99)/100-1]
}

// tryInjection asks the API server, in a dry run, what it would make of a pod in
// a namespace that has moved.
func (r *Rollout) tryInjection(ctx context.Context, s *rolloutScope, signals *rollout.Signals) error {
	if !*s.update.Canary.Gates.InjectionDryRun || len(s.target.Status.Moved) == 0 {
		return nil
	}
	pod := probePod(s.target.Status.Moved[0])
	at := slices.IndexFunc(s.namespaces, func(n rollout.Namespace) bool { return n.Name == pod.Namespace })
	if at < 0 || !s.optsIn(s.namespaces[at].Labels) {
		pod.Labels = map[string]string{"istio.io/rev": plan.TagsOf(s.install.Spec)[0]}
	}
	signals.Tried = true
	var err error
	signals.Injected, signals.Injection, err = r.try(ctx, pod)
	return err
}

// try says with which revision's proxy the API server would create a pod, empty
// for none, or why it refuses the pod.
func (r *Rollout) try(ctx context.Context, pod *corev1.Pod) (revision, refusal string, err error) {
	err = r.Clients.Writer.Create(ctx, pod, client.DryRunAll)
	switch {
	case err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
		return "", "", fmt.Errorf("create a pod in a dry run: %w", err)
	case err != nil:
		return "", short(err.Error()), nil
	case pod.Annotations["sidecar.istio.io/status"] != "":
		return pod.Labels["istio.io/rev"], "", nil
	}
	return "", "", nil
}

// probePod is a pod that every level of pod security admits.
func probePod(namespace string) *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "meshwright-dry-run-"},
		Spec: corev1.PodSpec{
			// Every namespace has it; a token is not to be had without.
			ServiceAccountName: "default",
			SecurityContext:    &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "app", Image: "dry-run",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
