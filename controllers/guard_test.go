package controllers

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestTheOperatorsRightsAreOfNoUseForAnythingElse(t *testing.T) {
	w := newWorld(t)
	operator, err := client.New(w.operatorConfig(), client.Options{Scheme: w.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"app": "stranger"}
	stranger := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "stranger", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: probePod("default").Spec},
		},
	}
	if err := w.client.Create(w.ctx, stranger); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(w.ctx, stranger) })
	// A policy is in force a moment after it was made.
	refused := func(what, says string, try func() error) {
		t.Helper()
		w.eventually(what+" is refused", func() error {
			if err := try(); !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), says) {
				return fmt.Errorf("the answer is %v", err)
			}
			return nil
		})
	}
	refused("a pod", "in a dry run only", func() error {
		pod := probePod("default")
		err := operator.Create(w.ctx, pod)
		if err == nil {
			_ = w.client.Delete(w.ctx, pod)
		}
		return err
	})
	if err := operator.Create(w.ctx, probePod("default"), client.DryRunAll); err != nil {
		t.Errorf("create a pod in a dry run: %v", err)
	}
	evict := func(namespace string, options *metav1.DeleteOptions) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none"}}
		return operator.SubResource("eviction").Create(w.ctx, pod, &policyv1.Eviction{DeleteOptions: options})
	}
	uid := &metav1.Preconditions{UID: new(types.UID("1"))}
	refused("an eviction of Kubernetes' own", "own namespaces", func() error { return evict("kube-system", &metav1.DeleteOptions{Preconditions: uid}) })
	refused("an eviction of whatever has the name", "the very pod", func() error { return evict("default", nil) })
	refused("an eviction without time", "in its own time", func() error {
		return evict("default", &metav1.DeleteOptions{Preconditions: uid, GracePeriodSeconds: new(int64(0))})
	})
	if err := evict("default", &metav1.DeleteOptions{Preconditions: uid}); !apierrors.IsNotFound(err) {
		t.Errorf("evict a pod that is not there: %v", err)
	}
	patch := func(text string) error {
		return operator.Patch(w.ctx, stranger.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(text)))
	}
	for what, tc := range map[string]struct{ patch, says string }{
		"another ServiceAccount": {`{"spec":{"template":{"spec":{"serviceAccountName":"admin"}}}}`, "does not change the pods"},
		"a label":                {`{"metadata":{"labels":{"meshwright.io/install":"prod"}}}`, "does not label"},
		"a label of the pods":    {`{"spec":{"template":{"metadata":{"labels":{"istio.io/rev":"x"}}}}}`, "does not label"},
		"another number of pods": {`{"spec":{"replicas":0}}`, "does not scale"},
	} {
		refused(what, tc.says, func() error { return patch(tc.patch) })
	}
	if err := patch(`{"spec":{"template":{"metadata":{"annotations":{"meshwright.io/restarted-at":"now"}}}}}`); err != nil {
		t.Errorf("restart a workload: %v", err)
	}
}
