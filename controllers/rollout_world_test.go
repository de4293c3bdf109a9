package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// talk plays discovery: what it says of its proxies, by revision.
type talk struct {
	mu     sync.Mutex
	states map[string][]cache.ProxyState
}

func (d *talk) Proxies(_ context.Context, pod *corev1.Pod) ([]cache.ProxyState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states[pod.Labels[plan.LabelRevision]], nil
}

func (d *talk) says(revision string, states ...cache.ProxyState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states == nil {
		d.states = map[string][]cache.ProxyState{}
	}
	d.states[revision] = states
}

// refusing is a proxy that refuses what it was sent.
var refusing = cache.ProxyState{
	ID: "sidecar~front.dev", Type: "sidecar", Pod: "front", Namespace: "dev", Connected: time.Unix(1, 0),
	Types: []cache.TypeState{{Rejected: []cache.Rejection{{Name: "BlackHoleCluster", Error: "timeout must be greater than 0"}}}},
}

// runDiscovery keeps a ready pod for each Deployment of discovery until the
// test ends, in mesh-system and further namespaces.
func (w *world) runDiscovery(namespaces ...string) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, namespace := range append(namespaces, "mesh-system") {
				w.tickDiscovery(ctx, namespace)
			}
			time.Sleep(poll)
		}
	}()
	w.Cleanup(func() {
		cancel()
		<-done
		w.removePods(append(namespaces, "mesh-system")...)
	})
}

func (w *world) removePods(namespaces ...string) {
	for _, namespace := range namespaces {
		_ = w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(namespace), client.GracePeriodSeconds(0))
	}
}

func (w *world) tickDiscovery(ctx context.Context, namespace string) {
	var deployments appsv1.DeploymentList
	_ = w.client.List(ctx, &deployments, client.InNamespace(namespace), client.MatchingLabels{plan.LabelComponent: "discovery"})
	var pods corev1.PodList
	_ = w.client.List(ctx, &pods, client.InNamespace(namespace))
	for i := range pods.Items {
		if !slices.ContainsFunc(deployments.Items, func(d appsv1.Deployment) bool { return d.Name == pods.Items[i].Name }) {
			_ = w.client.Delete(ctx, &pods.Items[i], client.GracePeriodSeconds(0))
		}
	}
	for _, d := range deployments.Items {
		if !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Name == d.Name }) {
			_ = w.runPod(ctx, namespace, d.Name, d.Spec.Template.Labels)
		}
	}
}

// runPod makes a pod that runs and is ready.
func (w *world) runPod(ctx context.Context, namespace, name string, labels map[string]string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}, AutomountServiceAccountToken: ptr.To(false)},
	}
	pod.Spec.SecurityContext = probePod("").Spec.SecurityContext
	pod.Spec.Containers[0].SecurityContext = probePod("").Spec.Containers[0].SecurityContext
	if err := w.client.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return w.client.Status().Update(ctx, pod)
}

// namespace makes one that opts in, until the test ends.
func (w *world) namespace(name string, labels map[string]string) {
	w.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"istio-injection": "enabled"}}}
	for k, v := range labels {
		n.Labels[k] = v
	}
	if err := w.client.Create(w.ctx, n); client.IgnoreAlreadyExists(err) != nil {
		w.Fatal(err)
	}
}

// openFor are the revisions whose door is open for a namespace that opts in.
func (w *world) openFor(namespace string) []string {
	w.Helper()
	var out []string
	for _, o := range w.own() {
		revision := o.GetLabels()[plan.LabelRevision]
		for _, selector := range namespaceSelectors(w.T, o) {
			if selector.Matches(labels.Set{"kubernetes.io/metadata.name": namespace, "istio-injection": "enabled"}) && !slices.Contains(out, revision) {
				out = append(out, revision)
			}
		}
	}
	return out
}

// divided checks which revision injects each namespace.
func (w *world) divided(want map[string]string) {
	w.Helper()
	w.eventually(fmt.Sprintf("namespaces are divided as %v", want), func() error {
		for namespace, revision := range want {
			if got := w.openFor(namespace); !slices.Equal(got, []string{revision}) {
				return fmt.Errorf("%s is injected by %v", namespace, got)
			}
		}
		return nil
	})
}

// canarySpec is a small mesh whose updates go by the lines of a canary. The dry
// run is off: no injector runs here.
func canarySpec(canary ...string) string {
	return "  profile: minimal\n  update:\n    strategy: Canary\n    canary:\n      gates: {injectionDryRun: false}\n      " + strings.Join(canary, "\n      ") + "\n"
}

// makeStrict changes what is rendered.
func makeStrict(s *v1alpha1.MeshInstallSpec) {
	s.MeshConfig = &v1alpha1.MeshConfig{MTLS: ptr.To(v1alpha1.MTLSStrict)}
}

// strict is what makeStrict makes of the mesh.
func (w *world) strict() *plan.Plan {
	w.Helper()
	spec := w.get("prod").Spec
	makeStrict(&spec)
	target, err := plan.New(plan.Input{Install: "prod", Spec: spec, AdmissionPolicies: true})
	if err != nil {
		w.Fatal(err)
	}
	return target
}

// record is the MeshRevision of a name.
func (w *world) record(name string) *v1alpha1.MeshRevision {
	w.Helper()
	record := &v1alpha1.MeshRevision{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Name: name}, record); err != nil {
		w.Fatal(err)
	}
	return record
}

// results are those of the history, newest first.
func results(install *v1alpha1.MeshInstall) []v1alpha1.HistoryResult {
	var out []v1alpha1.HistoryResult
	for _, h := range install.Status.History {
		out = append(out, h.Result)
	}
	return out
}
