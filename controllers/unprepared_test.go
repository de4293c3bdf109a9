package controllers

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// OLM installs an operator without namespaces. What it says then is enough to
// give it some.
func TestOperatorWithoutNamespacesSaysWhatToApply(t *testing.T) {
	w := newWorld(t)
	options := operatorOptions()
	options.MeshNamespaces, options.GatewayNamespaces = nil, nil
	stop := w.operateWith(w.operatorConfig(), options)
	w.create("prod", "  namespace: mesh-three\n  profile: minimal\n")
	message := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonNamespaceNotPrepared).Message
	_, manifest, _ := strings.Cut(message, "\n")
	applied := 0
	for _, text := range strings.Split(manifest, "---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(o.Object) == 0 {
			continue
		}
		if err := w.client.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("administrator")); err != nil {
			t.Fatalf("apply %s %s: %v", o.GetKind(), o.GetName(), err)
		}
		applied++
	}
	if applied == 0 {
		t.Fatalf("the message has no object:\n%s", message)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	options.MeshNamespaces = []string{"mesh-three"}
	w.operateWith(w.operatorConfig(), options)
	w.runPods(everything)
	w.ready("prod")
}
