package cmd

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/check"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// states are those of the lines of check -o json that are not OK, by ID, with
// their details.
func states(t *testing.T, server *apiserver.Server, args ...string) (code int, found map[string]string) {
	t.Helper()
	code, out := runCheck(t, "", append([]string{"--kubeconfig", server.Kubeconfig, "-o", "json"}, args...)...)
	var lines []check.Line
	if err := json.Unmarshal([]byte(out), &lines); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found = map[string]string{}
	for _, line := range lines {
		if line.State != check.OK {
			found[line.ID] = string(line.State) + ": " + strings.Join(line.Details, "; ")
		}
	}
	return code, found
}

// istioInjector is as much of Istio's webhook as tells whom it is about.
const istioInjector = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: istio-sidecar-injector}
webhooks:
- name: namespace.sidecar-injector.istio.io
  clientConfig: {url: "https://127.0.0.1:1/inject"}
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  namespaceSelector: {matchLabels: {istio-injection: enabled}}
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
- name: all.pods.example
  clientConfig: {url: "https://127.0.0.1:1/all"}
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  rules: [{operations: [CREATE], apiGroups: [example.org], apiVersions: [v1], resources: [pods]}]
`

func TestCheckBeforeAndAfterInstallation(t *testing.T) {
	t.Parallel()
	server := apiserver.Start(t, apiserver.WithCRDs("../../charts/operator/crds"))
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.Config, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	create := func(o client.Object) {
		t.Helper()
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	missing := "destinationrules.networking.istio.io is not there; gateways.networking.istio.io is not there; peerauthentications.security.istio.io is not there; sidecars.networking.istio.io is not there; virtualservices.networking.istio.io is not there"

	code, got := states(t, server, "--pre")
	if d := cmp.Diff(map[string]string{check.IstioKinds: "warning: " + missing}, got); d != "" || code != 0 {
		t.Errorf("before: code %d (-want +got):\n%s", code, d)
	}
	foreign := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(istioInjector), &foreign.Object); err != nil {
		t.Fatal(err)
	}
	create(foreign)
	if _, got := states(t, server, "--pre"); got[check.Injectors] != "warning: MutatingWebhookConfiguration istio-sidecar-injector answers to istio-injection=enabled" {
		t.Errorf("beside Istio: %v", got)
	}
	if err := c.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}

	code, got = states(t, server)
	want := map[string]string{
		check.Operator: "failure: there is no Deployment of it", check.Leader: "failure: nobody holds the lease meshwright-operator",
		check.Installs: "failure: there is no MeshInstall", check.IstioKinds: "warning: " + missing,
	}
	if d := cmp.Diff(want, got); d != "" || code != 1 {
		t.Errorf("after, with nothing: code %d (-want +got):\n%s", code, d)
	}

	istio := foreign.DeepCopy()
	istio.SetResourceVersion("")
	istio.SetUID("")
	create(istio)
	installMesh(t, c, create)
	want = map[string]string{check.IstioKinds: "warning: " + missing, check.Injectors: "warning: MutatingWebhookConfiguration istio-sidecar-injector answers to istio-injection=enabled"}
	eventually(t, func() string {
		code, got = states(t, server)
		if !strings.Contains(got[check.Connected], "no discovery pod is ready") {
			return got[check.Connected]
		}
		delete(got, check.Connected) // nothing runs here
		return cmp.Diff(want, got)
	})
	install := &v1alpha1.MeshInstall{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "prod"}, install); err != nil {
		t.Fatal(err)
	}
	install.Spec.Tags = []string{"mesh"}
	if err := c.Update(t.Context(), install); err != nil {
		t.Fatal(err)
	}
	if _, got := states(t, server); got[check.Injectors] != "" {
		t.Errorf("with a tag of its own: %v", got)
	}
	install.Spec.Tags = nil
	if err := errors.Join(c.Update(t.Context(), install), c.Delete(t.Context(), istio)); err != nil {
		t.Fatal(err)
	}
	_, out := runCheck(t, "", "--kubeconfig", server.Kubeconfig)
	for _, part := range []string{"√ one of its pods leads (pod-1)", "√ the revision that serves injects (MutatingAdmissionPolicy meshwright-injector-prod-", "in a dry run (namespace shop)", "√ none ends soon (the first ends "} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	if code, _ := runCheck(t, "", "--kubeconfig", filepath.Join(t.TempDir(), "none")); code != 2 {
		t.Errorf("without a kubeconfig: code %d", code)
	}
}

// installMesh puts there what an operator and a discovery would, but for pods.
func installMesh(t *testing.T, c client.Client, create func(client.Object)) {
	t.Helper()
	for _, name := range []string{"meshwright-operator", "mesh-system", "shop"} {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if name == "shop" {
			n.Labels = map[string]string{"istio-injection": "enabled"}
		}
		create(n)
	}
	labels := map[string]string{"app.kubernetes.io/name": "meshwright-operator"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "meshwright-operator", Name: "meshwright-operator", Labels: labels},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
		}},
	}
	create(d)
	d.Status = appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1}
	update := func(o client.Object) {
		if err := c.Status().Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	update(d)
	create(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "meshwright-operator", Name: operatorLease},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("pod-1"), RenewTime: &metav1.MicroTime{Time: time.Now().Add(time.Hour)}},
	})
	root, err := ca.NewRoot("cluster.local", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bundle := (&slot.Set{Current: root}).Bundle()
	create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-system", Name: "meshwright-ca-root"}, Data: map[string]string{"root-cert.pem": string(bundle)}})
	install := &v1alpha1.MeshInstall{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: v1alpha1.MeshInstallSpec{Version: "v0.1.0", Profile: v1alpha1.ProfileMinimal}}
	create(install)
	p, err := plan.New(plan.Input{Install: install.Name, Spec: install.Spec, AdmissionPolicies: true})
	if err != nil {
		t.Fatal(err)
	}
	p.RootCert = string(bundle)
	for _, o := range slices.Clone(p.Door(plan.Everywhere)) {
		o.SetLabels(map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelInstall: "prod", plan.LabelRevision: p.Revision})
		create(o)
	}
	install.Status = v1alpha1.MeshInstallStatus{ObservedGeneration: 1, ActiveRevision: p.Revision, Conditions: []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, ObservedGeneration: install.Generation, LastTransitionTime: metav1.Now()},
	}}
	update(install)
}
