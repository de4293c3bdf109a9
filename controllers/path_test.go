package controllers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// An operator that is older than the mesh that serves finds such a record.
func TestOlderVersionNeedsLeave(t *testing.T) {
	w := newWorld(t)
	stop := w.operate(w.operatorConfig())
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
	w.operate(w.operatorConfig())
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

func TestEndOfSupportIsToldOnce(t *testing.T) {
	released := plan.Carried
	t.Cleanup(func() { plan.Carried = released })
	for name, tc := range map[string]struct {
		end time.Duration
		// note is that of the Event; empty means none.
		note string
	}{
		"far away": {60 * 24 * time.Hour, ""},
		"near":     {20 * 24 * time.Hour, "support of version v0.1.0 ends on "},
		"passed":   {-24 * time.Hour, "version v0.1.0 has been out of support since "},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := events.NewFakeRecorder(10)
			r := &Reconciler{Now: time.Now, Events: recorder}
			plan.Carried = slices.Clone(released)
			day := r.Now().UTC().Add(tc.end).Format(time.DateOnly)
			plan.Carried[0].EndOfLife = day
			s := &scope{install: &v1alpha1.MeshInstall{}, inventory: &apply.Inventory{}}
			s.install.Status.Version = "v0.1.0"
			for range 2 {
				if err := r.age(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			close(recorder.Events)
			var got []string
			for note := range recorder.Events {
				got = append(got, note)
			}
			if tc.note == "" && len(got) > 0 || tc.note != "" && (len(got) != 1 || !strings.Contains(got[0], "VersionEOL "+tc.note+day)) {
				t.Errorf("Events are %q, want one with %q", got, tc.note+day)
			}
		})
	}
}
