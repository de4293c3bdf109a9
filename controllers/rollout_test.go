package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
)

// canaryWorld has two namespaces of a mesh, dev and shop, and an operator to
// which discovery says what the result is told.
func canaryWorld(t *testing.T) (*world, *talk) {
	w := newWorld(t)
	discovery := &talk{}
	options := operatorOptions()
	options.Discovery = discovery
	w.operateWith(w.operatorConfig(), options)
	w.runPods(everything)
	w.runDiscovery()
	w.namespace("dev", map[string]string{"tier": "dev"})
	w.namespace("shop", nil)
	return w, discovery
}

const devFirst = "steps: [{selector: {matchLabels: {tier: dev}}}, {weight: 100}]"

func TestCanaryGivesTheMeshStepByStep(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1"))
	first := w.ready("prod").Status.ActiveRevision
	w.divided(map[string]string{"dev": first, "shop": first})

	before := len(w.operatorWrites())
	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("prod").Status.TargetRevision
	w.divided(map[string]string{"dev": second, "shop": first, "made-later": first})
	w.eventually("step 1 is in the status, and what it waits for", func() error {
		u := w.get("prod").Status.Update
		if u == nil || u.Step != 1 || u.Steps != 2 || len(u.BlockedBy) != 1 || !strings.Contains(u.BlockedBy[0], "approvedStep is 2") {
			return fmt.Errorf("update is %+v", u)
		}
		return nil
	})
	if d := cmp.Diff([]string{"dev"}, w.record(second).Status.Moved); d != "" {
		t.Errorf("moved (-want +got):\n%s", d)
	}
	if got := w.selected("meshwright-discovery"); got != first {
		t.Errorf("the stable Service leads to %s before the end", got)
	}

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.Canary.ApprovedStep = ptr.To[int32](2) })
	install := w.ready("prod")
	if install.Status.ActiveRevision != second {
		t.Errorf("active is %s, want %s", install.Status.ActiveRevision, second)
	}
	w.divided(map[string]string{"dev": second, "shop": second, "made-later": second})
	w.eventually("the history tells of both", func() error {
		if got := results(w.get("prod")); !slices.Equal(got, []v1alpha1.HistoryResult{v1alpha1.HistoryPromoted, v1alpha1.HistoryPromoted}) {
			return fmt.Errorf("results are %v", got)
		}
		return nil
	})
	for _, reason := range []string{"StepStarted", "StepPassed", "Promoted"} {
		if len(w.events(install.UID, reason)) == 0 {
			t.Errorf("no Event %s", reason)
		}
	}
	for _, write := range w.operatorWrites()[before:] {
		if write.Resource == "namespaces" || write.Namespace == "dev" || write.Namespace == "shop" {
			t.Errorf("the operator wrote what is the user's: %+v", write)
		}
	}
}

func TestCanaryWhoseProxiesRefuseIsPutBack(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.create("prod", canarySpec(devFirst))
	first := w.ready("prod").Status.ActiveRevision
	target := w.strict()
	discovery.says(target.Revision, refusing)

	w.change(makeStrict)
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
	for _, word := range []string{target.Revision, "configAcknowledged is 0, wanted 0.999", "front.dev refuses BlackHoleCluster: timeout must be greater than 0"} {
		if !strings.Contains(c.Message, word) {
			t.Errorf("message %q does not have %q", c.Message, word)
		}
	}
	w.divided(map[string]string{"dev": first, "shop": first})
	status := w.get("prod").Status
	if status.ActiveRevision != first || status.TargetRevision != target.Revision || !slices.Equal(status.FailedHashes, []string{target.Hash}) {
		t.Errorf("status is %+v", status)
	}
	if status.History[0].Result != v1alpha1.HistoryRolledBack || status.History[0].Reason != "configAcknowledged" {
		t.Errorf("history is %+v", status.History)
	}
	// Its proxies find discovery under the name that they know.
	if got := w.selected("meshwright-discovery-" + target.Revision); got != first {
		t.Errorf("what the failed revision's proxies dial leads to %s", got)
	}
	if w.own()["Deployment mesh-system/meshwright-discovery-"+target.Revision] != nil {
		t.Error("the failed revision still runs")
	}
	// Not tried again by itself, tried again when the spec changes.
	discovery.says(target.Revision)
	time.Sleep(3 * time.Second)
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.Canary.ApprovedStep = ptr.To[int32](7) })
	if install := w.ready("prod"); install.Status.ActiveRevision != target.Revision || install.Status.FailedHashes != nil {
		t.Errorf("status is %+v", install.Status)
	}
	if got := w.selected("meshwright-discovery-" + target.Revision); got != target.Revision {
		t.Errorf("the revision's own name leads to %s", got)
	}
}

func TestCanaryThatIsNotWantedAnyMoreGivesBackWhatItHad(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1"))
	first := w.ready("prod").Status.ActiveRevision
	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("prod").Status.TargetRevision
	w.divided(map[string]string{"dev": second, "shop": first})

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.MeshConfig = nil })
	w.ready("prod")
	w.divided(map[string]string{"dev": first, "shop": first})
	if got := w.selected("meshwright-discovery-" + second); got != first {
		t.Errorf("what the abandoned revision's proxies dial leads to %s", got)
	}
	w.eventually("the history says so", func() error {
		if got := results(w.get("prod")); len(got) == 0 || got[0] != v1alpha1.HistorySuperseded {
			return fmt.Errorf("results are %v", got)
		}
		return nil
	})
}

func TestGatewaysAreSwitchedInAStepOfTheirOwn(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.create("prod", strings.Replace(canarySpec("steps: [{weight: 100}]", "onFailure: Pause"), "minimal", "default", 1))
	first := w.ready("prod").Status.ActiveRevision
	leadsTo := func() string { return w.leadsTo("mesh-ingress", "meshwright-ingress") }
	target := w.strict()
	discovery.says(target.Revision, refusing)
	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonUpdatePaused)
	if got := leadsTo(); got != first {
		t.Errorf("before its step the gateway's Service leads to %q, want %s", got, first)
	}
	discovery.says(target.Revision)
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.Canary.ApprovedStep = ptr.To[int32](1) })
	install := w.ready("prod")
	w.eventually("the gateway's Service leads to all that is left", func() error {
		if got := leadsTo(); got != "" {
			return fmt.Errorf("it leads to %q alone", got)
		}
		return nil
	})
	if notes := w.events(install.UID, "StepStarted"); !slices.ContainsFunc(notes, func(n string) bool {
		return strings.Contains(n, "step 2 of 2") && strings.Contains(n, "takes the gateways")
	}) {
		t.Errorf("steps are %q", notes)
	}
}

// The pods of a revision that failed may be ready for a while, and have no
// routes. On their open connections they answer until they have ended.
func TestGatewaysOfARevisionThatFailedGetNoTrafficAndEndInOrder(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.Cleanup(func() { w.removePods("mesh-ingress") })
	w.create("prod", strings.Replace(canarySpec("steps: [{weight: 100}]"), "minimal", "default", 1))
	first := w.ready("prod").Status.ActiveRevision
	target := w.strict()
	service, deployment := "Service mesh-ingress/meshwright-ingress-"+target.Revision, "Deployment mesh-system/meshwright-discovery-"+target.Revision
	at := slices.IndexFunc(target.RevisionSet, func(o *unstructured.Unstructured) bool { return apply.RefOf(o).String() == service })
	labels, _, _ := unstructured.NestedStringMap(target.RevisionSet[at].Object, "spec", "selector")
	if err := w.runPod(w.ctx, "mesh-ingress", "ingress-0", labels); err != nil {
		t.Fatal(err)
	}
	discovery.says(target.Revision, refusing)
	w.change(makeStrict)
	w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonRolledBack)
	install := w.get("prod")
	w.eventually("what failed is deleted", func() error {
		if len(w.events(install.UID, "Pruned")) == 0 {
			return errors.New("no Event says so")
		}
		return nil
	})
	switch own := w.own(); {
	case own["Deployment mesh-ingress/meshwright-ingress-"+target.Revision] != nil:
		t.Error("the gateway that failed is there")
	case own[service] == nil || own[deployment] == nil:
		t.Errorf("%s or %s went before the gateway's pods", service, deployment)
	}
	if got := w.leadsTo("mesh-ingress", "meshwright-ingress"); got != first {
		t.Errorf("while pods of the revision that failed end, the gateway's Service leads to %q, want %s", got, first)
	}
	w.removePods("mesh-ingress")
	w.eventually("its Service and its discovery go after its pods", func() error {
		if own := w.own(); own[service] != nil || own[deployment] != nil {
			return errors.New("they are there")
		}
		if got := w.leadsTo("mesh-ingress", "meshwright-ingress"); got != "" {
			return fmt.Errorf("the gateway's Service leads to %q alone", got)
		}
		return nil
	})
}
