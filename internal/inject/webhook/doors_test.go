package webhook

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/inject"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// openPolicy makes the policy of a revision with the webhook's name and config,
// open for namespaces whose names begin with "policed".
func (w *world) openPolicy(t *testing.T) {
	t.Helper()
	p, err := plan.New(plan.Input{Install: "main", Spec: v1alpha1.MeshInstallSpec{Version: "v0.1.0"}, AdmissionPolicies: true})
	if err != nil {
		t.Fatal(err)
	}
	record, err := p.Record()
	if err != nil {
		t.Fatal(err)
	}
	record.Name = chart(t).Revision
	if p, err = plan.FromRecord(record); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.namespace(t, policed, map[string]string{"istio-injection": "enabled"})
	names := []string{policed}
	for _, tc := range precedence(chart(t).Revision) {
		names = append(names, tc.name)
		w.namespace(t, tc.name, tc.namespace)
	}
	apply := func() {
		for _, o := range p.Door(plan.Share{Operator: metav1.LabelSelectorOpIn, Names: names}) {
			if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("operator")); err != nil {
				t.Fatalf("apply %s: %v", o.GetKind(), err)
			}
		}
	}
	apply()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{
		ServiceAccountName: "default", Containers: []corev1.Container{{Name: "a", Image: "example/a"}},
	}}
	eventually(t, "a policy without the root certificate refuses pods", func() (bool, string) {
		_, err := w.create(t.Context(), policed, pod)
		return err != nil && strings.Contains(err.Error(), inject.ErrNoRootCert.Error()), fmt.Sprint(err)
	})
	p.RootCert = rootCert
	apply()
	eventually(t, "the policy is in force", func() (bool, string) {
		got, err := w.create(t.Context(), policed, pod)
		return err == nil && len(got.Spec.InitContainers) == 2, fmt.Sprint(err)
	})
}

// policed is a namespace in which the policy injects and the webhook is not
// asked; in shop it is the other way round.
const policed = "policed"

// pods are those of a file, ready to be sent.
func pods(t *testing.T, text []byte) []*corev1.Pod {
	t.Helper()
	var out []*corev1.Pod
	for _, document := range golden.Documents(text) {
		pod := &corev1.Pod{}
		if err := yaml.Unmarshal(document, pod); err != nil || pod.Kind != "Pod" {
			continue
		}
		pod.Namespace, pod.Spec.ServiceAccountName = "", "default"
		out = append(out, pod)
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// testEqualDoors sends awkward pods, and the golden ones of package inject,
// through each door. Offline gets what the API server would store without
// injection.
func (w *world) testEqualDoors(t *testing.T) {
	all := pods(t, read(t, filepath.Join("testdata", "awkward.yaml")))
	golden.Cases(t, filepath.Join("..", "testdata"), func(t *testing.T, _ string, in []byte) {
		all = append(all, pods(t, in)...)
	})
	injected := 0
	for _, pod := range all {
		t.Run(pod.Name+pod.GenerateName, func(t *testing.T) {
			before, err := w.create(t.Context(), "plain", pod)
			if err != nil {
				t.Fatal(err)
			}
			var offline bytes.Buffer
			if _, err = inject.Stream(&offline, bytes.NewReader(manifest(t, before)), &inject.Input{Config: w.config, RootCert: rootCert}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(offline.String(), "istio-token") {
				injected++
			}
			for _, namespace := range []string{"shop", policed} {
				after, err := w.create(t.Context(), namespace, pod)
				if err != nil {
					t.Fatalf("in %s: %v", namespace, err)
				}
				if diff := cmp.Diff(offline.String(), string(manifest(t, after))); diff != "" {
					t.Errorf("in %s (-offline +created):\n%s", namespace, diff)
				}
			}
		})
	}
	if injected < 15 {
		t.Errorf("%d of %d pods are injected: this test proves little", injected, len(all))
	}
}

// testEqualRefusals sends pods that cannot be injected.
func (w *world) testEqualRefusals(t *testing.T) {
	for _, pod := range pods(t, read(t, filepath.Join("testdata", "refused.yaml"))) {
		t.Run(pod.Name, func(t *testing.T) {
			_, err := inject.Patch(pod, &inject.Input{Config: w.config, RootCert: rootCert, Namespace: "shop"})
			if err == nil {
				t.Fatal("offline takes it")
			}
			for _, namespace := range []string{"shop", policed} {
				_, refusal := w.create(t.Context(), namespace, pod)
				if refusal == nil || !strings.Contains(refusal.Error(), err.Error()) {
					t.Errorf("in %s: %v\nwant: %v", namespace, refusal, err)
				} else if more := len(refusal.Error()) - len(err.Error()); more > 400 {
					t.Errorf("in %s: %d bytes around the words: %v", namespace, more, refusal)
				}
			}
		})
	}
}

type precedenceCase struct {
	// name is the namespace's.
	name           string
	namespace, pod map[string]string
	want           bool
}

// precedence is a table of the labels that opt pods in.
func precedence(revision string) []precedenceCase {
	type set = map[string]string
	return []precedenceCase{
		{"no-label-no-injection", nil, nil, false},
		{"enabled", set{"istio-injection": "enabled"}, nil, true},
		{"enabled-and-the-pod-opts-out", set{"istio-injection": "enabled"}, set{"sidecar.istio.io/inject": "false"}, false},
		{"disabled-wins-over-the-pod", set{"istio-injection": "disabled"}, set{"sidecar.istio.io/inject": "true", "istio.io/rev": revision}, false},
		{"neither-enabled-nor-disabled", set{"istio-injection": "perhaps"}, set{"sidecar.istio.io/inject": "true"}, false},
		{"disabled-wins-over-the-revision", set{"istio-injection": "disabled", "istio.io/rev": revision}, nil, false},
		{"enabled-wins-over-the-revision", set{"istio-injection": "enabled", "istio.io/rev": "other"}, nil, true},
		{"names-the-revision", set{"istio.io/rev": revision}, nil, true},
		{"names-the-tag", set{"istio.io/rev": "default"}, nil, true},
		{"names-another", set{"istio.io/rev": "other"}, set{"sidecar.istio.io/inject": "true"}, false},
		{"wins-over-the-pods-revision", set{"istio.io/rev": "other"}, set{"istio.io/rev": revision}, false},
		{"the-pod-opts-in", nil, set{"sidecar.istio.io/inject": "true"}, true},
		{"the-pod-names-the-revision", nil, set{"istio.io/rev": revision}, true},
		{"the-pod-opts-in-to-another", nil, set{"istio.io/rev": "other", "sidecar.istio.io/inject": "true"}, false},
		{"the-pod-names-the-revision-and-opts-out", nil, set{"istio.io/rev": revision, "sidecar.istio.io/inject": "false"}, false},
	}
}

func (w *world) testPolicyPrecedence(t *testing.T) {
	for _, tc := range precedence(chart(t).Revision) {
		t.Run(tc.name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: tc.pod}, Spec: corev1.PodSpec{
				ServiceAccountName: "default", Containers: []corev1.Container{{Name: "a", Image: "example/a"}},
			}}
			got, err := w.create(t.Context(), tc.name, pod)
			if err != nil {
				t.Fatal(err)
			}
			if injected := len(got.Spec.InitContainers) == 2; injected != tc.want {
				t.Errorf("injected: %t, want %t", injected, tc.want)
			}
		})
	}
}
