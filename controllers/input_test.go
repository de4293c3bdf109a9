package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// specOf reads the lines of a spec, with the defaults that the CRD gives.
func (w *world) specOf(lines string) v1alpha1.MeshInstallSpec {
	w.Helper()
	spec := v1alpha1.MeshInstallSpec{Profile: v1alpha1.ProfileDefault, Namespace: "mesh-system"}
	text := "version: v0.1.0\n"
	for line := range strings.SplitSeq(lines, "\n") {
		text += strings.TrimPrefix(line, "  ") + "\n"
	}
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		w.Fatal(err)
	}
	return spec
}

func TestMistakesStallWithFieldAndFixAndMend(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	cases := map[string]struct {
		spoil, mend func(*v1alpha1.MeshInstallSpec)
		reason      string
		// says are parts of the message.
		says []string
	}{
		"a version that the operator does not carry": {
			func(s *v1alpha1.MeshInstallSpec) { s.Version = "v9.9.9" },
			func(s *v1alpha1.MeshInstallSpec) { s.Version = "v0.1.0" },
			v1alpha1.ReasonUnknownVersion,
			[]string{`spec.version: this operator does not carry "v9.9.9"; set one of: v0.1.0`},
		},
		"a gateway in a namespace without rights": {
			func(s *v1alpha1.MeshInstallSpec) {
				kind := v1alpha1.GatewayIngress
				s.Components = &v1alpha1.Components{Gateways: []v1alpha1.Gateway{{Name: "edge", Namespace: "shop", Kind: &kind}}}
			},
			func(s *v1alpha1.MeshInstallSpec) { s.Components = nil },
			v1alpha1.ReasonNamespaceNotPrepared,
			[]string{`spec.components.gateways: the operator has no rights in namespace "shop"`, "--gateway-namespaces", "kind: Namespace", "name: meshwright-gateway", "namespace: shop"},
		},
		"a gateway without a kind": {
			func(s *v1alpha1.MeshInstallSpec) {
				s.Components = &v1alpha1.Components{Gateways: []v1alpha1.Gateway{{Name: "edge", Namespace: "mesh-ingress"}}}
			},
			func(s *v1alpha1.MeshInstallSpec) { s.Components = nil },
			v1alpha1.ReasonInvalidSpec,
			[]string{"spec.components.gateways[0].kind: the profile has no gateway mesh-ingress/edge; set kind to Ingress or Egress"},
		},
	}
	w.create("prod", "  profile: minimal\n")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, client: w.client, ctx: w.ctx}
			good := w.ready("prod").Status.ActiveRevision
			keys := w.ownKeys()
			w.change(tc.spoil)
			c := w.condition("prod", v1alpha1.ConditionStalled, tc.reason)
			for _, part := range tc.says {
				if !strings.Contains(c.Message, part) {
					t.Errorf("message lacks %q:\n%s", part, c.Message)
				}
			}
			w.condition("prod", v1alpha1.ConditionAvailable, v1alpha1.ReasonAsWanted)
			if after := w.ownKeys(); strings.Join(after, " ") != strings.Join(keys, " ") {
				t.Errorf("the mesh that serves was touched: %v, was %v", after, keys)
			}
			w.change(tc.mend)
			if now := w.ready("prod").Status.ActiveRevision; now != good {
				t.Errorf("revision is %s after the mistake, was %s", now, good)
			}
		})
	}
}

func TestAnotherNamespaceStallsWithWhatAnAdministratorApplies(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.create("prod", "  profile: minimal\n  namespace: mesh-two\n")
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonNamespaceNotPrepared)
	for _, part := range []string{`spec.namespace: the operator has no rights in namespace "mesh-two"`, "--mesh-namespaces", "name: mesh-two", "name: meshwright-discovery"} {
		if !strings.Contains(c.Message, part) {
			t.Errorf("message lacks %q:\n%s", part, c.Message)
		}
	}
	install := w.get("prod")
	if len(install.Finalizers) > 0 {
		t.Errorf("its removal would look where the operator has no rights, held by %v", install.Finalizers)
	}
	for _, c := range install.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady && strings.Contains(c.Message, "\n") {
			t.Errorf("Ready's message is a column of kubectl get, and has several lines:\n%s", c.Message)
		}
	}
}

func TestObjectOfSomebodyElseIsNotTaken(t *testing.T) {
	w := newWorld(t)
	theirs := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-ingress", Name: "meshwright-ingress"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 99}}},
	}
	if err := w.client.Create(w.ctx, theirs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(w.ctx, theirs) })
	w.runPods(everything)
	stop := w.operate(w.operatorConfig())
	w.create("prod", "")
	c := w.condition("prod", v1alpha1.ConditionStalled, v1alpha1.ReasonObjectConflict)
	if want := "Service mesh-ingress/meshwright-ingress exists and belongs to somebody else"; !strings.Contains(c.Message, want) {
		t.Errorf("message is %q", c.Message)
	}
	if !w.isThere(theirs) {
		t.Fatal("it is gone")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Removal leaves it, too.
	w.sweep()
	if !w.isThere(theirs) {
		t.Error("removing the mesh took it away")
	}
}
