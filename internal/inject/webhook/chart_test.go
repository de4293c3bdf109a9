package webhook

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/inject"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// chart is what the operator installs for a small mesh.
func chart(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.New(plan.Input{Install: "main", Spec: v1alpha1.MeshInstallSpec{Version: "v0.1.0"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// find reads the object of the kind and component into out.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, component string, out any) {
	t.Helper()
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == kind && o.GetLabels()[plan.LabelComponent] == component
	})
	if i < 0 {
		t.Fatalf("the chart has no %s of %s", kind, component)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, out); err != nil {
		t.Fatal(err)
	}
}

func chartWebhooks(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	var config admissionregistrationv1.MutatingWebhookConfiguration
	find(t, chart(t).Door(plan.Everywhere), "MutatingWebhookConfiguration", "injector", &config)
	return &config
}

// chartConfig is the injector's config as the chart writes it.
func chartConfig(t *testing.T) *inject.Config {
	t.Helper()
	var file corev1.ConfigMap
	find(t, chart(t).RevisionSet, "ConfigMap", "injector", &file)
	config, err := inject.ParseConfig([]byte(file.Data["inject.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestTheChartsConfigIsUnderstood(t *testing.T) {
	t.Parallel()
	config := chartConfig(t)
	if config.MeshNamespace != "mesh-system" || !slices.Equal(config.Tags, []string{"default"}) {
		t.Errorf("mesh namespace %q, tags %v, want mesh-system and default", config.MeshNamespace, config.Tags)
	}
}

// The labels that opt a pod in, with Istio's precedence.
func TestTheChartsSelectors(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	config := chartWebhooks(t)
	revision := chart(t).Revision
	for name, tc := range map[string]struct {
		namespace, pod set
		// want says whether the injector is asked; it must not be asked twice.
		want bool
	}{
		"no label, no injection":                   {},
		"the namespace is enabled":                 {namespace: set{"istio-injection": "enabled"}, want: true},
		"a pod opts out of its namespace":          {namespace: set{"istio-injection": "enabled"}, pod: set{"sidecar.istio.io/inject": "false"}},
		"a disabled namespace wins over a pod":     {namespace: set{"istio-injection": "disabled"}, pod: set{"sidecar.istio.io/inject": "true", "istio.io/rev": revision}},
		"disabled wins over the revision":          {namespace: set{"istio-injection": "disabled", "istio.io/rev": revision}},
		"enabled wins over the revision":           {namespace: set{"istio-injection": "enabled", "istio.io/rev": "other"}, want: true},
		"the namespace names the revision":         {namespace: set{"istio.io/rev": revision}, want: true},
		"the namespace names the tag":              {namespace: set{"istio.io/rev": "default"}, want: true},
		"the namespace names another":              {namespace: set{"istio.io/rev": "other"}},
		"the namespace wins over the pod":          {namespace: set{"istio.io/rev": "other"}, pod: set{"istio.io/rev": revision}},
		"enabled wins over the pod's revision":     {namespace: set{"istio-injection": "enabled"}, pod: set{"istio.io/rev": "other"}, want: true},
		"a pod opts out of the revision":           {namespace: set{"istio.io/rev": revision}, pod: set{"sidecar.istio.io/inject": "false"}},
		"a pod opts in":                            {pod: set{"sidecar.istio.io/inject": "true"}, want: true},
		"a pod opts in to the revision":            {pod: set{"istio.io/rev": revision}, want: true},
		"a pod opts in and names the revision":     {pod: set{"istio.io/rev": revision, "sidecar.istio.io/inject": "true"}, want: true},
		"a pod opts in and names another revision": {pod: set{"istio.io/rev": "other", "sidecar.istio.io/inject": "true"}},
		"a pod names the revision and opts out":    {pod: set{"istio.io/rev": revision, "sidecar.istio.io/inject": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			for _, w := range config.Webhooks {
				if matches(t, w.NamespaceSelector, tc.namespace) && matches(t, w.ObjectSelector, tc.pod) {
					asked = append(asked, w.Name)
				}
			}
			if len(asked) > 1 || len(asked) == 1 != tc.want {
				t.Errorf("asked by %v, want one: %t", asked, tc.want)
			}
		})
	}
}

// A mesh beside others: it is asked about its own namespaces alone, and about
// those that name no revision only if it has the tag default.
func TestTheChartsSelectorsInAMeshBesideOthers(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	p, err := plan.New(plan.Input{Install: "blue", Spec: v1alpha1.MeshInstallSpec{
		Version: "v0.1.0", Namespace: "mesh-blue", Tags: []string{"blue"},
		Scope: &v1alpha1.Scope{NamespaceSelector: &metav1.LabelSelector{MatchLabels: set{"team": "blue"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var config admissionregistrationv1.MutatingWebhookConfiguration
	find(t, p.Door(plan.Everywhere), "MutatingWebhookConfiguration", "injector", &config)
	for name, tc := range map[string]struct {
		namespace, pod set
		want           bool
	}{
		"the namespace names the tag":                    {namespace: set{"team": "blue", "istio.io/rev": "blue"}, want: true},
		"a pod names the tag":                            {namespace: set{"team": "blue"}, pod: set{"istio.io/rev": "blue"}, want: true},
		"a namespace of another team":                    {namespace: set{"team": "red", "istio.io/rev": "blue"}},
		"a namespace of no team":                         {namespace: set{"istio.io/rev": p.Revision}},
		"a pod in a namespace of another team":           {namespace: set{"team": "red"}, pod: set{"istio.io/rev": "blue"}},
		"enabled means default, which is another's":      {namespace: set{"team": "blue", "istio-injection": "enabled"}},
		"a pod that opts in means default, too":          {namespace: set{"team": "blue"}, pod: set{"sidecar.istio.io/inject": "true"}},
		"enabled wins over the tag, and means default":   {namespace: set{"team": "blue", "istio-injection": "enabled", "istio.io/rev": "blue"}},
		"a pod that opts in and names the tag is blue's": {namespace: set{"team": "blue"}, pod: set{"istio.io/rev": "blue", "sidecar.istio.io/inject": "true"}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			for _, w := range config.Webhooks {
				if matches(t, w.NamespaceSelector, tc.namespace) && matches(t, w.ObjectSelector, tc.pod) {
					asked = append(asked, w.Name)
				}
			}
			if len(asked) > 1 || len(asked) == 1 != tc.want {
				t.Errorf("asked by %v, want one: %t", asked, tc.want)
			}
		})
	}
}

func matches(t *testing.T, selector *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(set)
}

// The mesh's own pods carry the revision's label, and a gateway is a proxy
// already: the injector must not be asked about them, wherever they are.
func TestTheChartsOwnPodsAreNotAskedAbout(t *testing.T) {
	t.Parallel()
	p, err := plan.New(plan.Input{Install: "main", Spec: v1alpha1.MeshInstallSpec{Version: "v0.1.0", Profile: "demo"}})
	if err != nil {
		t.Fatal(err)
	}
	deployments := 0
	for _, o := range p.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		deployments++
		pod, _, err := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "labels")
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range []labels.Set{nil, {"istio-injection": "enabled"}, {"istio.io/rev": p.Revision}} {
			for _, w := range chartWebhooks(t).Webhooks {
				if matches(t, w.NamespaceSelector, namespace) && matches(t, w.ObjectSelector, pod) {
					t.Errorf("webhook %s is asked about %s in a namespace with labels %v", w.Name, o.GetName(), namespace)
				}
			}
		}
	}
	if deployments < 3 {
		t.Errorf("%d Deployments in the demo profile, want discovery, the injector and gateways", deployments)
	}
}

// The chart leaves caBundle to the injector, and asks for pods at the path and
// by the Service that the injector serves.
func TestTheChartsWebhooksLeadHere(t *testing.T) {
	t.Parallel()
	for _, w := range chartWebhooks(t).Webhooks {
		if diff := cmp.Diff(Path, *w.ClientConfig.Service.Path); diff != "" {
			t.Error(diff)
		}
		if len(w.ClientConfig.CABundle) > 0 {
			t.Errorf("webhook %s comes with a caBundle", w.Name)
		}
	}
}
