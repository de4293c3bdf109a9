//go:build e2e

package zlifecycle

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

const someoneElse = client.FieldOwner("someone")

func TestDriftOnARunningMeshIsPutRight(t *testing.T) {
	w := newWorld(t)
	install := w.ready(minimal())
	key := client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-discovery-" + install.Status.ActiveRevision}
	discovery := &appsv1.Deployment{}
	if err := w.objects.Get(t.Context(), key, discovery); err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(discovery.Spec.Template.Spec.Containers[0].Args)
	service := &corev1.Service{}
	if err := w.objects.Get(t.Context(), client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-discovery"}, service); err != nil {
		t.Fatal(err)
	}
	policy := &admissionv1.MutatingAdmissionPolicy{}
	if err := w.objects.Get(t.Context(), client.ObjectKey{Name: "meshwright-injector-" + install.Status.ActiveRevision}, policy); err != nil {
		t.Fatal(err)
	}

	evil := []byte(`[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--http-address=:1"}]`)
	if err := errors.Join(
		w.objects.Patch(t.Context(), discovery.DeepCopy(), client.RawPatch(types.JSONPatchType, evil), someoneElse),
		w.objects.Delete(t.Context(), service.DeepCopy()),
		w.objects.Delete(t.Context(), policy.DeepCopy()),
	); err != nil {
		t.Fatal(err)
	}

	w.Eventually(t, func() error {
		if err := w.objects.Get(t.Context(), key, discovery); err != nil {
			return err
		}
		if d := cmp.Diff(args, discovery.Spec.Template.Spec.Containers[0].Args); d != "" {
			return fmt.Errorf("arguments of discovery (-want +got):\n%s", d)
		}
		again := &corev1.Service{}
		if err := w.objects.Get(t.Context(), client.ObjectKeyFromObject(service), again); err != nil {
			return err
		}
		if d := cmp.Diff(service.Spec.Selector, again.Spec.Selector); again.UID == service.UID || d != "" {
			return fmt.Errorf("the Service has UID %s and selector (-want +got):\n%s", again.UID, d)
		}
		whole := &admissionv1.MutatingAdmissionPolicy{}
		if err := w.objects.Get(t.Context(), client.ObjectKeyFromObject(policy), whole); err != nil {
			return err
		}
		// The same root certificate too, which discovery writes elsewhere.
		if d := cmp.Diff(policy.Spec, whole.Spec); whole.UID == policy.UID || d != "" {
			return fmt.Errorf("the policy has UID %s and spec (-want +got):\n%s", whole.UID, d)
		}
		return nil
	})
	w.sees(install, "DriftCorrected", "Deployment mesh-system/"+key.Name, "containers[name=discovery].args")
	w.sees(install, "DriftCorrected", "Service mesh-system/meshwright-discovery ", "(deleted)")
	w.sees(install, "DriftCorrected", "MutatingAdmissionPolicy meshwright-injector-"+install.Status.ActiveRevision, "(deleted)")
	w.WaitRollout(t, "mesh-system", "deployment/"+key.Name)
	if after := w.settled(v1alpha1.ConditionReady, v1alpha1.ReasonReady); after.Status.ActiveRevision != install.Status.ActiveRevision {
		t.Errorf("revision is %s, was %s", after.Status.ActiveRevision, install.Status.ActiveRevision)
	}
}
