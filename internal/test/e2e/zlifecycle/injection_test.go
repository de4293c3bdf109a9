//go:build e2e

package zlifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

func isProxy(c corev1.Container) bool { return c.Name == "istio-proxy" }

// A pod that is made while operator and control plane are gone gets its
// sidecar, and serves once discovery is back.
func TestPodsAreInjectedWhileNothingOfOursRuns(t *testing.T) {
	w := newWorld(t)
	w.ready(minimal())
	namespace := w.Namespace(t, "istio-injection=enabled")
	w.Deploy(t, namespace, e2e.App{Name: "client"}, e2e.App{Name: "server"})
	// Somebody opts the mesh's own namespace in: it must come up all the same.
	w.Kubectl(t, "label", "namespace", "mesh-system", "istio-injection=enabled", "--overwrite")
	t.Cleanup(func() {
		if _, err := w.Cluster.Run(ended(t), "label", "namespace", "mesh-system", "istio-injection-"); err != nil {
			t.Error(err)
		}
	})

	operator := []string{"--namespace", operatorNamespace, "scale", "deployment/meshwright-operator"}
	w.Kubectl(t, append(operator, "--replicas=0")...)
	t.Cleanup(func() { _, _ = w.Cluster.Run(ended(t), append(operator, "--replicas=1")...) })
	w.Kubectl(t, "--namespace", operatorNamespace, "wait", "pod", "--all", "--for=delete", "--timeout", e2e.Timeout.String())
	w.Kubectl(t, "--namespace", "mesh-system", "scale", "deployment", "--all", "--replicas=0")
	w.Kubectl(t, "--namespace", "mesh-system", "wait", "pod", "--all", "--for=delete", "--timeout", e2e.Timeout.String())

	before := w.pods(namespace, "app=server")
	w.Kubectl(t, "--namespace", namespace, "scale", "deployment/server", "--replicas=2")
	var late string
	w.Eventually(t, func() error {
		for _, pod := range w.pods(namespace, "app=server") {
			if pod.Name == before[0].Name {
				continue
			}
			late = pod.Name
			if !slices.ContainsFunc(pod.Spec.InitContainers, isProxy) {
				t.Fatalf("%s was made without a proxy", pod.Name)
			}
			return nil
		}
		return fmt.Errorf("there is no new Pod")
	})

	w.Kubectl(t, append(operator, "--replicas=1")...)
	w.settled(v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	w.WaitRollout(t, namespace, "deployment/server")
	w.Eventually(t, func() error {
		for _, result := range w.Get(t, namespace, "deployment/client", "-n", "10", "http://server:8080/") {
			if result.Status == 200 && result.Body.Pod == late {
				return nil
			}
		}
		return fmt.Errorf("%s answers nothing", late)
	})
	for _, pod := range w.pods("mesh-system", "meshwright.io/component=discovery") {
		if slices.ContainsFunc(pod.Spec.InitContainers, isProxy) {
			t.Errorf("%s, of the control plane, was injected", pod.Name)
		}
	}
}

// Pods are created all the time while the door changes: from a webhook to a
// policy, and from the policy of one revision to that of the next.
func TestNoPodIsMissedWhileDoorsChange(t *testing.T) {
	w := newWorld(t)
	w.remove(installName)
	byWebhook := minimal()
	byWebhook.Values = &runtime.RawExtension{Raw: []byte(`{"injector": {"door": "webhook"}}`)}
	first := w.ready(byWebhook).Status.ActiveRevision
	if got := len(w.pods("mesh-system", "meshwright.io/component=injector")); got != 1 {
		t.Fatalf("%d injectors, want one", got)
	}
	namespace := w.Namespace(t, "istio-injection=enabled")
	revisions := w.births(t, namespace)

	if second := w.ready(minimal()).Status.ActiveRevision; second == first {
		t.Errorf("%s still serves", first)
	}
	spec := minimal()
	spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: new(v1alpha1.MTLSStrict)}
	third := w.ready(spec).Status.ActiveRevision

	// The API server forgets a policy as it learns one, within a second or so.
	w.Eventually(t, func() error {
		if by, err := w.born(t.Context(), namespace); err != nil || by != third {
			return fmt.Errorf("a pod is injected by %q, %w", by, err)
		}
		return nil
	})
	got := revisions()
	if len(got) < 2 || got[first] == 0 {
		t.Errorf("pods by revision: %v, want some before, while and after doors change", got)
	}
	t.Logf("pods by revision: %v", got)
	if left := w.pods("mesh-system", "meshwright.io/component=injector"); len(left) > 0 && left[0].DeletionTimestamp == nil {
		t.Errorf("%s runs: nothing asks it", left[0].Name)
	}
}

// born asks the API server for a pod that it does not keep, and says which
// revision injected it.
func (w *world) born(ctx context.Context, namespace string) (revision string, err error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "born-"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: e2e.AppImage}}},
	}
	pod, err = w.Client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return "", fmt.Errorf("a pod is refused: %w", err)
	}
	if !slices.ContainsFunc(pod.Spec.InitContainers, isProxy) {
		return "", errors.New("a pod has no proxy")
	}
	return pod.Labels["istio.io/rev"], nil
}

// births has pods born until the result is called, which counts them by the
// revision that injected them. One that is refused or has no proxy fails the
// test.
func (w *world) births(t *testing.T, namespace string) func() map[string]int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	counts, done := map[string]int{}, make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			revision, err := w.born(ctx, namespace)
			if err == nil {
				counts[revision]++
			} else if ctx.Err() == nil {
				t.Errorf("after %v: %v", counts, err)
			}
		}
	}()
	return func() map[string]int {
		cancel()
		<-done
		return counts
	}
}
