package inject

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// selected are the names of the selectors that ask for the pod.
func selected(t *testing.T, c *Config, namespace, pod map[string]string) []string {
	t.Helper()
	var names []string
	for _, s := range Selectors(c) {
		inNamespace, err := metav1.LabelSelectorAsSelector(&s.Namespace)
		if err != nil {
			t.Fatal(err)
		}
		inObject, err := metav1.LabelSelectorAsSelector(&s.Object)
		if err != nil {
			t.Fatal(err)
		}
		if inNamespace.Matches(labels.Set(namespace)) && inObject.Matches(labels.Set(pod)) {
			names = append(names, s.Name)
		}
	}
	return names
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	standard := &Config{Revision: "main-1", Tags: []string{"default"}, MeshNamespace: "mesh-system"}
	canary := &Config{Revision: "main-2", Tags: []string{"canary"}, MeshNamespace: "mesh-system"}
	for name, tc := range map[string]struct {
		namespace, pod set
		// Which selector of each revision asks for the pod, if any.
		standard, canary []string
	}{
		"no label, no injection":               {},
		"the namespace is enabled":             {namespace: set{"istio-injection": "enabled"}, standard: []string{"namespace"}},
		"a pod opts out of its namespace":      {namespace: set{"istio-injection": "enabled"}, pod: set{"sidecar.istio.io/inject": "false"}},
		"a disabled namespace wins over a pod": {namespace: set{"istio-injection": "disabled"}, pod: set{"sidecar.istio.io/inject": "true", "istio.io/rev": "canary"}},
		"a disabled namespace wins over its own revision": {
			namespace: set{"istio-injection": "disabled", "istio.io/rev": "canary"},
		},
		"enabled wins over the namespace's revision": {
			namespace: set{"istio-injection": "enabled", "istio.io/rev": "canary"}, standard: []string{"namespace"},
		},
		"the namespace names a tag":          {namespace: set{"istio.io/rev": "canary"}, canary: []string{"rev-namespace"}},
		"the namespace names a revision":     {namespace: set{"istio.io/rev": "main-2"}, canary: []string{"rev-namespace"}},
		"the namespace names the default":    {namespace: set{"istio.io/rev": "default"}, standard: []string{"rev-namespace"}},
		"the namespace names another":        {namespace: set{"istio.io/rev": "other"}},
		"the namespace wins over the pod":    {namespace: set{"istio.io/rev": "canary"}, pod: set{"istio.io/rev": "main-1"}, canary: []string{"rev-namespace"}},
		"enabled wins over the pod":          {namespace: set{"istio-injection": "enabled"}, pod: set{"istio.io/rev": "canary"}, standard: []string{"namespace"}},
		"a pod opts out of the revision":     {namespace: set{"istio.io/rev": "canary"}, pod: set{"sidecar.istio.io/inject": "false"}},
		"a pod opts in":                      {pod: set{"sidecar.istio.io/inject": "true"}, standard: []string{"object"}},
		"a pod opts in to a revision":        {pod: set{"istio.io/rev": "canary"}, canary: []string{"rev-object"}},
		"a pod opts in, and to a revision":   {pod: set{"istio.io/rev": "canary", "sidecar.istio.io/inject": "true"}, canary: []string{"rev-object"}},
		"a pod says revision and no":         {pod: set{"istio.io/rev": "canary", "sidecar.istio.io/inject": "false"}},
		"nothing in the mesh's namespace":    {namespace: set{"istio-injection": "enabled", "kubernetes.io/metadata.name": "mesh-system"}},
		"nothing in the cluster's namespace": {namespace: set{"kubernetes.io/metadata.name": "kube-system"}, pod: set{"sidecar.istio.io/inject": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.standard, selected(t, standard, tc.namespace, tc.pod)); diff != "" {
				t.Errorf("default revision: %s", diff)
			}
			if diff := cmp.Diff(tc.canary, selected(t, canary, tc.namespace, tc.pod)); diff != "" {
				t.Errorf("canary revision: %s", diff)
			}
		})
	}
}
