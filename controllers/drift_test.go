package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestDriftIsPutRightAndNamed(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "")
	install := w.ready("prod")
	discovery := "Deployment mesh-system/meshwright-discovery-" + install.Status.ActiveRevision

	cases := []struct {
		name string
		// key is the object, as own has it.
		key string
		// patch is a JSON merge patch by somebody else; empty deletes.
		patch string
		// field is in the Event, after the object's name.
		field string
		// kept is true for a change that is none of our business.
		kept bool
	}{
		{"a scalar", discovery, `{"spec":{"replicas":3}}`, "spec.replicas", false},
		{"a field in a named list", discovery, `{"spec":{"template":{"spec":{"containers":[{"name":"discovery","image":"evil:1","args":["discovery"]}]}}}}`, "containers[name=discovery].image", false},
		{"a selector of a Service", "Service mesh-ingress/meshwright-ingress", `{"spec":{"selector":{"istio":"other"}}}`, "spec.selector.istio", false},
		{"data of a ConfigMap", "ConfigMap mesh-system/meshwright-injector-" + install.Status.ActiveRevision, `{"data":{"inject.yaml":"image: evil"}}`, "data[inject.yaml]", false},
		{"labels that make it ours", "ConfigMap mesh-system/meshwright-discovery-" + install.Status.ActiveRevision, `{"metadata":{"labels":null}}`, "metadata.labels", false},
		{"a policy that lets all pods pass", "MutatingAdmissionPolicy /meshwright-injector-" + install.Status.ActiveRevision, `{"spec":{"failurePolicy":"Ignore"}}`, "spec.failurePolicy", false},
		{"an expression of a policy", "MutatingAdmissionPolicy /meshwright-injector-" + install.Status.ActiveRevision, `{"spec":{"matchConditions":[{"name":"not-injected","expression":"false"}]}}`, "spec.matchConditions", false},
		{"a binding's selector", "MutatingAdmissionPolicyBinding /meshwright-injector-" + install.Status.ActiveRevision, `{"spec":{"matchResources":{"namespaceSelector":{"matchLabels":{"never":"true"}}}}}`, "spec.matchResources.namespaceSelector", false},
		{"a binding taken away", "MutatingAdmissionPolicyBinding /meshwright-injector-" + install.Status.ActiveRevision, "", "(deleted)", false},
		{"a deletion", "Service mesh-system/meshwright-discovery", "", "(deleted)", false},
		{"an annotation that is not ours", discovery, `{"metadata":{"annotations":{"someone":"else"}}}`, "metadata.annotations.someone", true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := &world{T: t, client: w.client, ctx: w.ctx}
			before := w.own()[tc.key]
			if before == nil {
				t.Fatalf("%s is not there", tc.key)
			}
			var err error
			if tc.patch == "" {
				err = w.client.Delete(w.ctx, before.DeepCopy())
			} else {
				err = w.client.Patch(w.ctx, before.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(tc.patch)), client.FieldOwner("someone"))
			}
			if err != nil {
				t.Fatal(err)
			}
			named := func(note string) bool {
				object, field, ok := strings.Cut(note, " was changed by somebody else and is put right: ")
				return ok && object == strings.Replace(tc.key, " /", " ", 1) && strings.Contains(field, tc.field)
			}
			if tc.kept {
				w.ready("prod")
				if own := w.own()[tc.key]; own.GetAnnotations()["someone"] != "else" {
					t.Errorf("annotations are %v", own.GetAnnotations())
				}
				if notes := w.events(install.UID, "DriftCorrected"); slices.ContainsFunc(notes, named) {
					t.Errorf("it was called drift: %v", notes)
				}
				return
			}
			w.eventually("it is put right", func() error {
				after := w.own()[tc.key]
				if after == nil {
					return fmt.Errorf("%s is gone", tc.key)
				}
				if d := cmp.Diff(essence(before), essence(after)); d != "" {
					return fmt.Errorf("it differs (-want +got):\n%s", d)
				}
				return nil
			})
			w.eventually("an Event names object and field", func() error {
				if notes := w.events(install.UID, "DriftCorrected"); !slices.ContainsFunc(notes, named) {
					return fmt.Errorf("notes are %q", notes)
				}
				return nil
			})
		})
	}
}

// essence is what a user sees of an object, without what a cluster gives it.
func essence(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "status")
	for _, k := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "annotations"} {
		unstructured.RemoveNestedField(o.Object, "metadata", k)
	}
	for _, k := range []string{"clusterIP", "clusterIPs"} {
		unstructured.RemoveNestedField(o.Object, "spec", k)
	}
	return o.Object
}

func TestEveryKindOfThePlanIsWatched(t *testing.T) {
	w := newWorld(t)
	p, err := plan.New(plan.Input{Install: "prod", Spec: w.specOf("  profile: demo\n"), AdmissionPolicies: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range slices.Concat(p.RevisionSet, p.InstallSet) {
		if !slices.Contains(Watched, o.GroupVersionKind()) {
			t.Errorf("%s is made and not watched", o.GroupVersionKind())
		}
	}
}

func TestScaledByHandGoesBackWithoutARestartOfPods(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	install := w.ready("prod")
	key := client.ObjectKey{Namespace: "mesh-system", Name: "meshwright-discovery-" + install.Status.ActiveRevision}
	var d appsv1.Deployment
	if err := w.client.Get(w.ctx, key, &d); err != nil {
		t.Fatal(err)
	}
	template := d.Spec.Template.DeepCopy()
	if err := w.client.Patch(w.ctx, &d, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":5}}`))); err != nil {
		t.Fatal(err)
	}
	w.eventually("it has one replica again", func() error {
		if err := w.client.Get(w.ctx, key, &d); err != nil || *d.Spec.Replicas != 1 {
			return fmt.Errorf("%d replicas, %w", *d.Spec.Replicas, err)
		}
		return nil
	})
	if diff := cmp.Diff(template, &d.Spec.Template); diff != "" {
		t.Errorf("the template changed:\n%s", diff)
	}
}

func TestDeletedInventoryIsMadeUpFor(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	first := w.ready("prod").Status.ActiveRevision
	w.change(func(s *v1alpha1.MeshInstallSpec) { s.Profile = v1alpha1.ProfileDefault })
	w.ready("prod")
	keys := w.ownKeys()
	const inventory = "ConfigMap mesh-system/meshwright-inventory-prod"
	before := w.own()[inventory]
	if err := w.client.Delete(w.ctx, before.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	data := func(o *unstructured.Unstructured) map[string]string {
		fields, _, _ := unstructured.NestedStringMap(o.Object, "data")
		return fields
	}
	w.eventually("the inventory says the same again", func() error {
		after := w.own()[inventory]
		if after == nil {
			return fmt.Errorf("it is gone")
		}
		if d := cmp.Diff(data(before), data(after)); d != "" {
			return fmt.Errorf("-want +got:\n%s", d)
		}
		return nil
	})
	if d := cmp.Diff(keys, w.ownKeys()); d != "" {
		t.Errorf("objects (-want +got):\n%s", d)
	}
	if got := w.selected("meshwright-discovery-" + first); got == first {
		t.Errorf("the retired name leads to %s", got)
	}
}

func TestLongTextsFitIntoAnEvent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "spec.replicas", strings.Repeat("ä", 5000)} {
		got := short(text)
		if len(got) > 750 || !strings.HasPrefix(text, strings.TrimSuffix(got, " …")) || len(text) < 700 && got != text {
			t.Errorf("%d bytes became %q", len(text), got)
		}
	}
}
