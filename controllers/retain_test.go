package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestAFormerRevisionIsKeptWholeForAWhile(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", strings.Replace(canarySpec("steps: [{weight: 100}]"), "minimal", "default", 1)+"    retainOld: 1h\n")
	first := w.ready("prod").Status.ActiveRevision
	w.change(makeStrict)
	install := w.ready("prod")
	second := install.Status.ActiveRevision
	if at := slices.IndexFunc(install.Status.Revisions, func(r v1alpha1.RevisionStatus) bool { return r.Name == first }); at < 0 || install.Status.Revisions[at].Phase != v1alpha1.RevisionRetiring {
		t.Errorf("revisions are %+v", install.Status.Revisions)
	}
	w.divided(map[string]string{"dev": second, "shop": second})
	if got := w.selected("meshwright-discovery-" + first); got != second {
		t.Errorf("what its proxies dial leads to %s, want %s", got, second)
	}
	// Its gateways run and get nothing.
	if got := w.leadsTo("mesh-ingress", "meshwright-ingress"); got != second {
		t.Errorf("the gateway's Service leads to %q, want %s alone", got, second)
	}
	kept := w.lives()
	for _, key := range []string{"Deployment mesh-system/meshwright-discovery-" + first, "ConfigMap mesh-system/meshwright-discovery-" + first, "Deployment mesh-ingress/meshwright-ingress-" + first} {
		if kept[key] == "" {
			t.Errorf("%s is gone", key)
		}
	}

	// Going back starts no pod.
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.MeshConfig = nil })
	if now := w.ready("prod").Status.ActiveRevision; now != first {
		t.Fatalf("active is %s, want %s", now, first)
	}
	w.divided(map[string]string{"dev": first, "shop": first})
	for key, life := range w.lives() {
		if strings.HasPrefix(key, "Deployment ") && strings.HasSuffix(key, first) && life != kept[key] {
			t.Errorf("%s is %s, was %s", key, life, kept[key])
		}
	}

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.RetainOld = &metav1.Duration{} })
	w.eventually("the other is pruned", func() error {
		if own := w.own(); own["Deployment mesh-system/meshwright-discovery-"+second] != nil || own["MutatingAdmissionPolicy /meshwright-injector-"+second] != nil {
			return errors.New("its objects are there")
		}
		if notes := w.events(install.UID, "RevisionPruned"); !slices.Contains(notes, "the control plane of revision "+second+" is deleted: "+first+" serves") {
			return fmt.Errorf("Events are %q", notes)
		}
		return nil
	})
	if got := w.selected("meshwright-discovery-" + second); got != first {
		t.Errorf("what its proxies dial leads to %s, want %s", got, first)
	}
	w.ready("prod")
	w.eventually("the gateway's Service leads to all that is left", func() error {
		if got := w.leadsTo("mesh-ingress", "meshwright-ingress"); got != "" {
			return fmt.Errorf("it leads to %q alone", got)
		}
		return nil
	})
}

func TestAFormerRevisionGoesWhenItsTimeIsOver(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", "  profile: minimal\n  update: {retainOld: 3s}\n")
	first := w.ready("prod").Status.ActiveRevision
	w.change(makeStrict)
	w.ready("prod")
	w.eventually("it is pruned, with nothing changed", func() error {
		install := w.get("prod")
		if w.own()["Deployment mesh-system/meshwright-discovery-"+first] != nil {
			return errors.New("it is there")
		}
		if at := slices.IndexFunc(install.Status.Revisions, func(r v1alpha1.RevisionStatus) bool { return r.Name == first }); at < 0 || install.Status.Revisions[at].Phase != v1alpha1.RevisionRetired {
			return fmt.Errorf("revisions are %+v", install.Status.Revisions)
		}
		if record := w.record(first); record.Status.Phase != v1alpha1.RevisionRetired {
			return fmt.Errorf("its record says %s", record.Status.Phase)
		}
		return nil
	})
}

func TestRetiredRevisionsBeyondTheLimitAreForgotten(t *testing.T) {
	w, _ := canaryWorld(t)
	w.create("prod", "  profile: minimal\n  update: {revisionHistoryLimit: 1}\n")
	var revisions []string
	levels := []string{"warning", "info", "debug", "error"}
	for i, level := range levels {
		w.change(func(s *v1alpha1.MeshInstallSpec) {
			s.Values = rawValues("proxy: {logLevel: " + level + "}")
		})
		revisions = append(revisions, w.ready("prod").Status.ActiveRevision)
		if i == 1 {
			// A pod keeps the name of its revision in use.
			w.deploy("shop", "cart", revisions[1], func(*appsv1.Deployment) {})
		}
	}
	expect := func(want ...string) {
		t.Helper()
		w.eventually(fmt.Sprintf("the revisions are %q", want), func() error {
			var records, names []string
			for key := range w.own() {
				if name, ok := strings.CutPrefix(key, "MeshRevision /"); ok {
					records = append(records, name)
				}
				if name, ok := strings.CutPrefix(key, "Service mesh-system/meshwright-discovery-"); ok {
					names = append(names, name)
				}
			}
			slices.Sort(records)
			slices.Sort(names)
			slices.Sort(want)
			if !slices.Equal(records, want) || !slices.Equal(names, want) {
				return fmt.Errorf("records are %q, names %q", records, names)
			}
			return nil
		})
	}
	expect(revisions[1], revisions[2], revisions[3])
	if notes := w.events(w.get("prod").UID, "RevisionPruned"); !slices.Contains(notes, "the record of revision "+revisions[0]+" is deleted: spec.update.revisionHistoryLimit is 1") {
		t.Errorf("Events are %q", notes)
	}
	if err := w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace("shop"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.touch("prod")
	expect(revisions[2], revisions[3])
	// What was forgotten can be gone back to.
	w.change(func(s *v1alpha1.MeshInstallSpec) {
		s.Values, s.Update.RevisionHistoryLimit = rawValues("proxy: {logLevel: warning}"), ptr.To[int32](0)
	})
	if now := w.ready("prod").Status.ActiveRevision; now != revisions[0] {
		t.Errorf("active is %s, want %s", now, revisions[0])
	}
	expect(revisions[0])
}

// rawValues are spec.values from YAML.
func rawValues(text string) *runtime.RawExtension {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	return &runtime.RawExtension{Raw: raw}
}
