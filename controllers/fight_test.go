package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
)

// patch changes an object as another controller would.
func (w *world) patch(key, manager, patch string) {
	w.Helper()
	o := w.own()[key]
	if o == nil {
		w.Fatalf("%s is not there", key)
	}
	if err := w.client.Patch(w.ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(manager)); err != nil {
		w.Fatal(err)
	}
}

func TestAFightEndsInAConditionAndNotInALoop(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "")
	install := w.ready("prod")
	key := "Service mesh-system/meshwright-discovery"
	writes := func() int {
		n := 0
		for _, write := range w.operatorWrites() {
			if write.Resource == "services" && write.Name == "meshwright-discovery" {
				n++
			}
		}
		return n
	}
	before := writes()
	// The other one writes each time that it finds its field changed.
	for i := range apply.MaxCorrections + 1 {
		w.patch(key, "fighter", fmt.Sprintf(`{"spec":{"selector":{"meshwright.io/component":"other-%d"}}}`, i))
		if i < apply.MaxCorrections {
			w.eventually("it is put right", func() error {
				if spec := fmt.Sprint(w.own()[key].Object["spec"]); strings.Contains(spec, "other-") {
					return fmt.Errorf("it is %s", spec)
				}
				return nil
			})
		}
	}
	degraded := w.condition("prod", v1alpha1.ConditionDegraded, v1alpha1.ReasonDriftConflict)
	for _, part := range []string{"Service mesh-system/meshwright-discovery", "spec.selector", "fighter changes it again"} {
		if !strings.Contains(degraded.Message, part) {
			t.Errorf("message %q does not name %q", degraded.Message, part)
		}
	}
	// The operator sees what is changed next, tells of it, and writes no more.
	w.patch(key, "fighter", `{"spec":{"selector":{"more":"of-it"}}}`)
	w.eventually("each state is told once", func() error {
		notes := w.events(install.UID, v1alpha1.ReasonDriftConflict)
		if len(notes) != 2 || !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "spec.selector.more") }) {
			return fmt.Errorf("notes are %q", notes)
		}
		return nil
	})
	if n := writes() - before; n != apply.MaxCorrections {
		t.Errorf("it was written %d times, want %d", n, apply.MaxCorrections)
	}
	if !meta.IsStatusConditionTrue(w.get("prod").Status.Conditions, v1alpha1.ConditionReady) {
		t.Error("a mesh that serves is not Ready for it")
	}
}

func TestDriftIsOnlyReportedWhereSoAsked(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  drift: Report\n")
	install := w.ready("prod")
	service, deployment := "Service mesh-system/meshwright-discovery", "Deployment mesh-system/meshwright-discovery-"+install.Status.ActiveRevision
	w.patch(service, "someone", `{"spec":{"selector":{"more":"of-it"}}}`)
	if err := w.client.Delete(w.ctx, w.own()["ConfigMap mesh-system/meshwright-discovery-"+install.Status.ActiveRevision]); err != nil {
		t.Fatal(err)
	}
	w.eventually("both are reported", func() error {
		message := w.condition("prod", v1alpha1.ConditionDegraded, v1alpha1.ReasonDriftReported).Message
		for _, part := range []string{service + ": spec.selector.more: changed by someone", "meshwright-discovery-" + install.Status.ActiveRevision + ": (deleted)"} {
			if !strings.Contains(message, part) {
				return fmt.Errorf("message %q does not name %q", message, part)
			}
		}
		return nil
	})
	if notes := w.events(install.UID, v1alpha1.ReasonDriftReported); !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "spec.selector.more") }) {
		t.Errorf("notes are %q", notes)
	}
	if own := w.own(); own["ConfigMap mesh-system/meshwright-discovery-"+install.Status.ActiveRevision] != nil || own[deployment] == nil {
		t.Error("what was deleted came back, or more is gone")
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Drift = v1alpha1.DriftCorrect })
	w.eventually("all is put right", func() error {
		own := w.own()
		if own["ConfigMap mesh-system/meshwright-discovery-"+install.Status.ActiveRevision] == nil || strings.Contains(fmt.Sprint(own[service].Object["spec"]), "of-it") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	w.ready("prod")
	w.eventually("nothing is degraded", func() error {
		if c := meta.FindStatusCondition(w.get("prod").Status.Conditions, v1alpha1.ConditionDegraded); c.Reason != v1alpha1.ReasonAsWanted {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})
}
