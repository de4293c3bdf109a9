package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestARevisionThatDoesNotComeUpIsRolledBack(t *testing.T) {
	for name, strategy := range map[string]string{
		"in place":  "  profile: minimal\n  update: {canary: {progressDeadline: 4s}}\n",
		"by canary": canarySpec("progressDeadline: 4s", devFirst),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			options := operatorOptions()
			options.Discovery = &talk{}
			w.operateWith(w.operatorConfig(), options)
			bad := "none"
			w.runPods(func(name string) bool { return !strings.HasSuffix(name, bad) })
			w.Cleanup(func() { w.removePods("mesh-system") })
			w.create("prod", strategy)
			install := w.ready("prod")
			first, target := install.Status.ActiveRevision, w.strict()
			bad = target.Revision
			w.cannotPull(target)
			w.change(makeStrict)
			w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing)

			c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
			discovery := "mesh-system/meshwright-discovery-" + target.Revision
			for _, part := range []string{
				target.Revision + " was rolled back: it did not come up within 4s, and nothing had moved to it: Deployment " + discovery + ": ",
				"container discovery of Pod " + discovery + ": ImagePullBackOff: no such tag", "it is tried again when the spec changes",
			} {
				if !strings.Contains(c.Message, part) {
					t.Errorf("message lacks %q: %s", part, c.Message)
				}
			}
			status := w.get("prod").Status
			if d := cmp.Diff([]string{target.Hash}, status.FailedHashes); d != "" || status.ActiveRevision != first {
				t.Errorf("active is %s, was %s; failed hashes (-want +got):\n%s", status.ActiveRevision, first, d)
			}
			if h := status.History[0]; h.Result != v1alpha1.HistoryRolledBack || h.Reason != v1alpha1.HistoryReasonNotUp || h.Revision != target.Revision {
				t.Errorf("history is %+v", status.History)
			}
			w.divided(map[string]string{"shop": first})
			own := w.own()
			for _, key := range []string{"Deployment " + discovery, "Service " + discovery} {
				if own[key] != nil {
					t.Errorf("%s is left", key)
				}
			}
			// Not tried again by itself, tried again when the spec changes.
			bad = "none"
			w.touch("prod")
			w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
			w.change(func(s *v1alpha1.MeshInstallSpec) { s.Drift = v1alpha1.DriftReport })
			w.runDiscovery()
			if now := w.ready("prod").Status.ActiveRevision; now != target.Revision {
				t.Errorf("active is %s, want %s", now, target.Revision)
			}
		})
	}
}

// cannotPull makes the pod that a Deployment of discovery would have, with an
// image that is not there.
func (w *world) cannotPull(p *plan.Plan) {
	w.Helper()
	for _, o := range p.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		labels := map[string]string{plan.LabelRevision: p.Revision, plan.LabelComponent: o.GetLabels()[plan.LabelComponent]}
		if err := w.runPod(w.ctx, o.GetNamespace(), o.GetName(), labels); err != nil {
			w.Fatal(err)
		}
		pod := &corev1.Pod{}
		if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(o), pod); err != nil {
			w.Fatal(err)
		}
		pod.Status.Phase = corev1.PodPending
		pod.Status.Conditions = nil
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "discovery", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such tag"},
		}}}
		if err := w.client.Status().Update(w.ctx, pod); err != nil {
			w.Fatal(err)
		}
	}
}
