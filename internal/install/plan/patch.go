package plan

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// patchable are the kinds that can be patched, with the type that says how
// their lists merge and which fields they have.
var patchable = map[string]func() any{
	"ConfigMap":                      func() any { return &corev1.ConfigMap{} },
	"Service":                        func() any { return &corev1.Service{} },
	"Deployment":                     func() any { return &appsv1.Deployment{} },
	"HorizontalPodAutoscaler":        func() any { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"PodDisruptionBudget":            func() any { return &policyv1.PodDisruptionBudget{} },
	"NetworkPolicy":                  func() any { return &networkingv1.NetworkPolicy{} },
	"MutatingWebhookConfiguration":   func() any { return &admissionregistrationv1.MutatingWebhookConfiguration{} },
	"MutatingAdmissionPolicy":        func() any { return &admissionregistrationv1.MutatingAdmissionPolicy{} },
	"MutatingAdmissionPolicyBinding": func() any { return &admissionregistrationv1.MutatingAdmissionPolicyBinding{} },
}

// applyPatches changes the objects that the patches name, in order. revision
// is the name that the objects were rendered for.
func applyPatches(patches []v1alpha1.Patch, revision string, sets ...[]*unstructured.Unstructured) error {
	for i, p := range patches {
		field := fmt.Sprintf("spec.patches[%d]", i)
		hit, changed := false, false
		for _, objects := range sets {
			for _, o := range objects {
				if !targeted(p.Target, o, revision) {
					continue
				}
				hit = true
				differs, err := applyPatch(p, o)
				if err != nil {
					return &Invalid{v1alpha1.ReasonInvalidPatch, field + ".patch", fmt.Sprintf("%s %s: %v", o.GetKind(), shortName(o, revision), err)}
				}
				changed = changed || differs
			}
		}
		if !hit {
			return &Invalid{v1alpha1.ReasonInvalidPatch, field + ".target", fmt.Sprintf("there is no %s %s; there are: %s", p.Target.Kind, p.Target.Name, strings.Join(targets(revision, sets), ", "))}
		}
		if !changed {
			return &Invalid{v1alpha1.ReasonInvalidPatch, field + ".patch", "it changes nothing; take it out"}
		}
	}
	return nil
}

func targeted(t v1alpha1.PatchTarget, o *unstructured.Unstructured, revision string) bool {
	return o.GetKind() == t.Kind && shortName(o, revision) == t.Name && (t.Namespace == "" || o.GetNamespace() == t.Namespace)
}

// shortName is an object's name without what all names have, and without the
// revision, which the user cannot know.
func shortName(o *unstructured.Unstructured, revision string) string {
	return strings.TrimSuffix(strings.TrimPrefix(o.GetName(), "meshwright-"), "-"+revision)
}

// targets lists what can be patched, each once.
func targets(revision string, sets [][]*unstructured.Unstructured) []string {
	var out []string
	seen := map[string]bool{}
	for _, objects := range sets {
		for _, o := range objects {
			if text := o.GetKind() + " " + shortName(o, revision); !seen[text] {
				seen[text] = true
				out = append(out, text)
			}
		}
	}
	return out
}

// applyPatch changes one object and reports whether it differs from before.
func applyPatch(p v1alpha1.Patch, o *unstructured.Unstructured) (bool, error) {
	kind, ok := patchable[o.GetKind()]
	if !ok {
		return false, errors.New("objects of this kind cannot be patched")
	}
	before := o.DeepCopy()
	after, err := patched(p, before.DeepCopy(), kind())
	if err != nil {
		return false, err
	}
	if err := known(after, kind()); err != nil {
		return false, err
	}
	if identity(before) != identity(after) {
		return false, errors.New("a patch cannot change apiVersion, kind, name, namespace or the labels by which the operator knows its objects")
	}
	o.Object = after.Object
	return !reflect.DeepEqual(before.Object, after.Object), nil
}

// known refuses a field that the kind does not have, which the API server
// would drop without a word.
func known(o *unstructured.Unstructured, kind any) error {
	raw, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(raw, kind)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return fmt.Errorf("read what the patch gives: %w", err)
	}
	return nil
}

func patched(p v1alpha1.Patch, o *unstructured.Unstructured, kind any) (*unstructured.Unstructured, error) {
	raw, err := yaml.YAMLToJSONStrict([]byte(p.Patch))
	if err != nil {
		return nil, fmt.Errorf("read the patch: %w", err)
	}
	original, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var result []byte
	switch p.Type {
	case v1alpha1.PatchJSON6902:
		operations, err := jsonpatch.DecodePatch(raw)
		if err != nil {
			return nil, fmt.Errorf("read the operations: %w", err)
		}
		if result, err = operations.Apply(original); err != nil {
			return nil, err
		}
	default:
		if result, err = strategicpatch.StrategicMergePatch(original, raw, kind); err != nil {
			return nil, err
		}
	}
	after := &unstructured.Unstructured{}
	if err := after.UnmarshalJSON(result); err != nil {
		return nil, fmt.Errorf("read what the patch gives: %w", err)
	}
	return after, nil
}

// identity is what makes an object the one that it is to the operator.
func identity(o *unstructured.Unstructured) string {
	labels := o.GetLabels()
	return strings.Join([]string{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName(),
		labels[LabelInstall], labels[LabelRevision], labels[LabelComponent], labels[LabelManagedBy]}, "|")
}
