//go:build e2e

package zlifecycle

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leader is the name of the operator's Pod that has the lease.
func (w *world) leader() (string, error) {
	lease, err := w.Client.CoordinationV1().Leases(operatorNamespace).Get(w.Context(), "meshwright-operator", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if lease.Spec.HolderIdentity == nil {
		return "", fmt.Errorf("nobody has the lease")
	}
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	for _, pod := range w.pods(operatorNamespace, "app.kubernetes.io/name=meshwright-operator") {
		if pod.Name == name && pod.DeletionTimestamp == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("the lease is of %q, which is no Pod", *lease.Spec.HolderIdentity)
}

func TestAnotherReplicaTakesOverFromAKilledLeader(t *testing.T) {
	w := newWorld(t)
	w.installOperator(map[string]any{"replicas": int64(2)})
	install := w.ready(minimal())
	var killed string
	w.Eventually(t, func() (err error) { killed, err = w.leader(); return err })
	pod := &corev1.Pod{ObjectMeta: objectMeta(operatorNamespace, killed)}
	if err := w.objects.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.Eventually(t, func() error {
		name, err := w.leader()
		if err == nil && name == killed {
			err = fmt.Errorf("%s still leads", name)
		}
		return err
	})
	service := &corev1.Service{ObjectMeta: objectMeta("mesh-system", "meshwright-discovery")}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"selector":{"meshwright.io/revision":"stolen"}}}`))
	if err := w.objects.Patch(t.Context(), service, patch, someoneElse); err != nil {
		t.Fatal(err)
	}
	w.Eventually(t, func() error {
		if err := w.objects.Get(t.Context(), client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		if got := service.Spec.Selector["meshwright.io/revision"]; got != install.Status.ActiveRevision {
			return fmt.Errorf("the Service selects %q, want %q", got, install.Status.ActiveRevision)
		}
		return nil
	})
	w.sees(install, "DriftCorrected", "Service mesh-system/meshwright-discovery ", "spec.selector[meshwright.io/revision]")
}
