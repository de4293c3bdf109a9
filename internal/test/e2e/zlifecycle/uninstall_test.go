//go:build e2e

package zlifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

func TestRemovalLeavesNothingAndReinstallBeginsAnew(t *testing.T) {
	w := newWorld(t)
	install := w.ready(withIngress())
	namespace := w.Namespace(t, "istio-injection=enabled")
	w.Deploy(t, namespace, e2e.App{Name: "app"})
	w.injected(namespace, true)
	first := w.root()
	for _, key := range []string{
		"Secret mesh-system/meshwright-ca", "ConfigMap mesh-ingress/meshwright-ca-root",
		"MutatingAdmissionPolicy /meshwright-injector-" + install.Status.ActiveRevision,
		"MutatingAdmissionPolicyBinding /meshwright-injector-" + install.Status.ActiveRevision,
	} {
		if !slices.Contains(w.left(), key) {
			t.Errorf("a running mesh has no %s: this test looks for the wrong objects", key)
		}
	}

	w.want(whenUnused(withIngress()))
	w.Kubectl(t, "delete", "meshinstall", installName, "--wait=false")
	blocked := w.settled(v1alpha1.ConditionReconciling, v1alpha1.ReasonDeleteBlocked)
	if got, want := message(blocked, v1alpha1.ConditionReconciling), "Deployment "+namespace+"/app"; !strings.Contains(got, want) {
		t.Errorf("message has no %q: %s", want, got)
	}
	w.injected(namespace, true)
	w.want(withIngress())
	w.remove(installName)
	// Kubernetes' own controllers take a moment with EndpointSlices and the like.
	w.Eventually(t, func() error {
		if left := w.left(); len(left) > 0 {
			return fmt.Errorf("left: %q", left)
		}
		return nil
	})
	w.restart(namespace)
	w.injected(namespace, false)

	w.ready(minimal())
	t.Cleanup(func() {
		if _, err := w.Cluster.Run(ended(t), "delete", "meshinstall", installName); err != nil {
			t.Error(err)
		}
	})
	if w.root() == first {
		t.Error("the new mesh has the root certificate of the removed one")
	}
	w.restart(namespace)
	w.injected(namespace, true)
}

// whenUnused has a removal wait as long as it takes.
func whenUnused(spec v1alpha1.MeshInstallSpec) v1alpha1.MeshInstallSpec {
	spec.Deletion = &v1alpha1.Deletion{Policy: new(v1alpha1.DeleteWhenUnused), GuardTimeout: &metav1.Duration{}}
	return spec
}

// root is the certificate that the mesh's proxies trust.
func (w *world) root() string {
	w.Helper()
	published := &corev1.ConfigMap{}
	if err := w.objects.Get(w.Context(), client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-ca-root"}, published); err != nil {
		w.Fatal(err)
	}
	for _, pem := range published.Data {
		return pem
	}
	w.Fatal("the ConfigMap of the root is empty")
	return ""
}

// restart makes the application's Pods anew, and waits for them.
func (w *world) restart(namespace string) {
	w.Helper()
	w.Kubectl(w.T, "--namespace", namespace, "rollout", "restart", "deployment/app")
	w.WaitRollout(w.T, namespace, "deployment/app")
}

// injected says whether the application's Pods, all Ready, have a proxy.
func (w *world) injected(namespace string, want bool) {
	w.Helper()
	w.Eventually(w.T, func() error {
		pods := w.pods(namespace, "app=app")
		if len(pods) != 1 {
			return fmt.Errorf("%d Pods, want one", len(pods))
		}
		got := slices.ContainsFunc(pods[0].Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "istio-proxy" })
		if got != want || !want && len(pods[0].Spec.InitContainers)+len(pods[0].Spec.Containers) != 1 {
			return fmt.Errorf("%s has init containers %v, want a proxy: %t", pods[0].Name, pods[0].Spec.InitContainers, want)
		}
		return nil
	})
}
