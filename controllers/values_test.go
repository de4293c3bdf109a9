package controllers

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// touch makes the operator look at a MeshInstall again, as time would.
func (w *world) touch(name string) {
	w.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"test":"`+metav1.Now().Format("150405.000000")+`"}}}`))
	if err := w.client.Patch(w.ctx, w.get(name), patch); err != nil {
		w.Fatal(err)
	}
}

func TestValuesComeFromAConfigMapAndChangeWithIt(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n  valuesFrom: [{kind: ConfigMap, name: tuning}]\n")
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonValuesNotFound)
	if want := "spec.valuesFrom[0].name: there is no ConfigMap tuning in namespace mesh-system; create it"; c.Message != want {
		t.Errorf("message is %q, want %q", c.Message, want)
	}
	tuning := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "tuning"}, Data: map[string]string{"other": ""}}
	if err := w.client.Create(w.ctx, tuning); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(w.ctx, tuning) })
	w.touch("prod")
	w.eventually("the missing key is named", func() error {
		if c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonValuesNotFound); c.Message != `spec.valuesFrom[0].key: ConfigMap mesh-system/tuning has no key "values.yaml"` {
			return errors.New(c.Message)
		}
		return nil
	})
	set := func(text string) {
		tuning.Data = map[string]string{"values.yaml": text}
		if err := w.client.Update(w.ctx, tuning); err != nil {
			t.Fatal(err)
		}
		w.touch("prod")
	}
	set("proxy: {logLevel: info}")
	first := w.ready("prod").Status.ActiveRevision
	set("proxy: {logLevel: debug}")
	w.eventually("the change makes a new revision", func() error {
		if now := w.ready("prod").Status.ActiveRevision; now == first {
			return errors.New("it is still " + now)
		}
		return nil
	})
	set("proxy: {loglvl: debug}")
	c = w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonInvalidValues)
	if !strings.Contains(c.Message, `did you mean "logLevel"?`) {
		t.Errorf("message is %q", c.Message)
	}
}

func TestASecretIsReadOnceAnAdministratorLetsIt(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "tuning"}, Data: map[string][]byte{"values.yaml": []byte("proxy: {logLevel: info}")}}
	if err := w.client.Create(w.ctx, secret); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(w.ctx, secret) })
	w.create("prod", "  profile: minimal\n  valuesFrom: [{kind: Secret, name: tuning}]\n")
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonValuesForbidden)
	head, manifest, _ := strings.Cut(c.Message, "\n")
	if want := "spec.valuesFrom[0]: the operator may not read Secret mesh-system/tuning; an administrator applies this:"; head != want {
		t.Errorf("message begins with %q, want %q", head, want)
	}
	for document := range strings.SplitSeq(strings.TrimPrefix(manifest, "---\n"), "---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Create(w.ctx, o); err != nil {
			t.Fatalf("the manifest of the message is refused: %v", err)
		}
		t.Cleanup(func() { _ = w.client.Delete(w.ctx, o) })
	}
	w.touch("prod")
	install := w.ready("prod")
	config := &corev1.ConfigMap{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-injector-" + install.Status.ActiveRevision}, config); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config.Data["inject.yaml"], "logLevel: info") || config.Labels[plan.LabelInstall] != "prod" {
		t.Errorf("the Secret's values are not in what is rendered:\n%s", config.Data["inject.yaml"])
	}
}
