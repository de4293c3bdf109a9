//go:build e2e

package zlifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestGatewaysComeAndGoWithTheProfile(t *testing.T) {
	w := newWorld(t)
	w.ready(minimal())
	if got := w.inNamespace("mesh-ingress"); len(got) > 0 {
		t.Fatalf("the profile minimal has %v", got)
	}
	users := &corev1.Service{ObjectMeta: objectMeta("mesh-ingress", "meshwright-users-own")}
	users.Spec.Ports = []corev1.ServicePort{{Port: 80}}
	users.Spec.Selector = map[string]string{"istio": "ingressgateway"}
	if err := w.objects.Create(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.objects.Delete(ended(t), users) })
	uid := users.UID

	install := w.ready(withIngress())
	revision := install.Status.ActiveRevision
	want := []string{"Deployment mesh-ingress/meshwright-ingress-" + revision, "Service mesh-ingress/meshwright-ingress", "Service mesh-ingress/meshwright-ingress-" + revision}
	if got := w.inNamespace("mesh-ingress"); !slices.Equal(got, want) {
		t.Errorf("the profile default has %v, want %v", got, want)
	}
	w.Eventually(t, func() error {
		if pods := w.pods("mesh-ingress", "istio=ingressgateway"); len(pods) != 1 {
			return fmt.Errorf("%d Pods of the gateway, want 1", len(pods))
		}
		return nil
	})

	w.ready(minimal())
	w.Eventually(t, func() error {
		if got := w.inNamespace("mesh-ingress"); len(got) > 0 {
			return fmt.Errorf("there still are %v", got)
		}
		if pods := w.pods("mesh-ingress", ""); len(pods) > 0 {
			return fmt.Errorf("there still are %d Pods", len(pods))
		}
		return nil
	})
	if err := w.objects.Get(t.Context(), client.ObjectKeyFromObject(users), users); err != nil || users.UID != uid {
		t.Errorf("the user's Service: UID %s, was %s, %v", users.UID, uid, err)
	}
	w.sees(install, "Pruned", "objects that are not wanted any more were deleted")
}

// inNamespace are the operator's own Services and Deployments there, sorted.
func (w *world) inNamespace(namespace string) []string {
	w.Helper()
	var out []string
	for key, o := range w.meshObjects() {
		// Endpoints have their Service's labels, and no owner.
		direct := !strings.HasPrefix(key, "Endpoints ") && (len(o.OwnerReferences) == 0 || o.OwnerReferences[0].Kind == "MeshInstall")
		if o.Namespace == namespace && o.Labels["app.kubernetes.io/managed-by"] == "meshwright-operator" && direct {
			out = append(out, key)
		}
	}
	return slices.Sorted(slices.Values(out))
}
