package controllers

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// fromOLM is what OLM makes for an operator that it installs: its kind, the
// object, and the right to change it.
var fromOLM = []string{`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: operatorconditions.operators.coreos.com}
spec:
  group: operators.coreos.com
  scope: Namespaced
  names: {kind: OperatorCondition, listKind: OperatorConditionList, plural: operatorconditions, singular: operatorcondition}
  versions:
  - name: v2
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: meshwright-operator, name: from-olm}
rules: [{apiGroups: [operators.coreos.com], resources: [operatorconditions], resourceNames: [from-olm], verbs: [get, update, patch]}]
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {namespace: meshwright-operator, name: from-olm}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: from-olm}
subjects: [{kind: ServiceAccount, namespace: meshwright-operator, name: meshwright-operator}]
`, `
apiVersion: operators.coreos.com/v2
kind: OperatorCondition
metadata: {namespace: meshwright-operator, name: from-olm}
spec:
  overrides: [{type: Upgradeable, status: "True", reason: Administrator, message: go on}]
`}

func (w *world) installOLM() {
	w.Helper()
	for _, text := range fromOLM {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			w.Fatal(err)
		}
		w.eventually(o.GetKind()+" of OLM is there", func() error { // its kind takes a moment
			return w.client.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("olm"), client.ForceOwnership)
		})
	}
}

// upgradeable waits until OLM is told so.
func (w *world) upgradeable(want metav1.ConditionStatus, reason, message string) {
	w.Helper()
	w.eventually(fmt.Sprintf("OLM is told Upgradeable=%s", want), func() error {
		o := ofKind(operatorConditions)
		if err := w.client.Get(w.ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "from-olm"}, o); err != nil {
			return err
		}
		if overrides, _, _ := unstructured.NestedSlice(o.Object, "spec", "overrides"); len(overrides) != 1 {
			return fmt.Errorf("the administrator's overrides are %v", overrides)
		}
		list, _, _ := unstructured.NestedSlice(o.Object, "spec", "conditions")
		if len(list) != 1 {
			return fmt.Errorf("conditions are %v", list)
		}
		c := list[0].(map[string]any)
		if c["type"] != "Upgradeable" || c["status"] != string(want) || c["reason"] != reason || c["message"] != message || c["lastTransitionTime"] == nil {
			return fmt.Errorf("condition is %v", c)
		}
		return nil
	})
}

func TestOLMIsToldNotToUpdateTheOperatorDuringACanary(t *testing.T) {
	w := newWorld(t)
	w.installOLM()
	options := operatorOptions()
	options.Discovery, options.OperatorCondition = &talk{}, "from-olm"
	w.operateWith(w.operatorConfig(), options)
	w.runPods(everything)
	w.runDiscovery()
	w.namespace("dev", map[string]string{"tier": "dev"})
	w.namespace("shop", nil)
	w.create("prod", canarySpec(devFirst, "approval: Manual", "approvedStep: 1"))
	install := w.ready("prod")
	if !meta.IsStatusConditionTrue(install.Status.Conditions, v1alpha1.ConditionUpdateAllowed) {
		t.Errorf("conditions are %+v", install.Status.Conditions)
	}
	w.upgradeable(metav1.ConditionTrue, v1alpha1.ReasonAsWanted, "")

	w.change(makeStrict)
	w.eventually("a canary is under way", func() error {
		if c := w.get("prod").Status.Conditions; !meta.IsStatusConditionFalse(c, v1alpha1.ConditionUpdateAllowed) {
			return fmt.Errorf("conditions are %+v", c)
		}
		return nil
	})
	target := w.get("prod").Status.TargetRevision
	w.upgradeable(metav1.ConditionFalse, v1alpha1.ReasonCanary, "MeshInstall prod: revision "+target+" is given the mesh step by step")

	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Update.Canary.ApprovedStep = ptr.To[int32](2) })
	w.ready("prod")
	w.upgradeable(metav1.ConditionTrue, v1alpha1.ReasonAsWanted, "")
}
