package controllers

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// An operator that is older than the mesh that serves finds such a record.
func TestOlderVersionNeedsLeave(t *testing.T) {
	w := newWorld(t)
	stop := w.operate(operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	active := w.ready("prod").Status.ActiveRevision
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	record := &v1alpha1.MeshRevision{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Name: active}, record); err != nil {
		t.Fatal(err)
	}
	newer := record.DeepCopy()
	newer.ObjectMeta.ResourceVersion, newer.UID, newer.Spec.Version = "", "", "v0.9.0"
	if err := w.client.Delete(w.ctx, record); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Create(w.ctx, newer); err != nil {
		t.Fatal(err)
	}
	keys := w.ownKeys()
	w.operate(operatorConfig())
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonPathRefused)
	if want := "spec.version: v0.1.0 is older than v0.9.0, which serves; to go back set spec.update.allow.downgrade"; c.Message != want {
		t.Errorf("message is %q, want %q", c.Message, want)
	}
	w.condition("prod", v1alpha1.ConditionAvailable, v1alpha1.ReasonAsWanted)
	if after := w.ownKeys(); strings.Join(after, " ") != strings.Join(keys, " ") {
		t.Errorf("the mesh that serves was touched: %v, was %v", after, keys)
	}
	w.change(func(s *v1alpha1.MeshInstallSpec) {
		s.Update = &v1alpha1.Update{Allow: &v1alpha1.AllowedPaths{Downgrade: true, SkipMinor: true}}
	})
	w.ready("prod")
}
