package cmd

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

const diffHead = "apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata: {name: prod}\n"

// TestDiffSpeaksByItsExitCode plays the operator with what render prints.
func TestDiffSpeaksByItsExitCode(t *testing.T) {
	server := apiserver.Start(t, apiserver.WithCRDs("../../charts/operator/crds"))
	namespaces := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Namespaces()
	for _, name := range []string{"mesh-system", "mesh-ingress"} {
		if _, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	diff := func(spec string) (string, error) {
		out, _, err := run(t, diffHead+spec, "diff", "-f", "-", "--kubeconfig", server.Kubeconfig)
		return out, err
	}
	cases := map[string]struct {
		spec string
		code int
		// says is in the output or in the error.
		says string
	}{
		"a mesh that is not there":       {"spec: {version: v0.1.0}", 1, "+++ planned/apps.v1.Deployment.mesh-ingress.meshwright-ingress-prod-"},
		"how many objects":               {"spec: {version: v0.1.0, profile: minimal}", 1, "the cluster differs: 7 objects to create, 0 to update, 0 to delete"},
		"a field that does not exist":    {"spec: {version: v0.1.0, profil: demo}", 2, `unknown field "spec.profil"`},
		"a value that does not exist":    {"spec: {version: v0.1.0, values: {prox: {}}}", 2, `spec.values.prox: the chart has no such value; did you mean "proxy"?`},
		"values that are not there":      {"spec: {version: v0.1.0, valuesFrom: [{kind: ConfigMap, name: tuning}]}", 2, "there is no ConfigMap tuning in namespace mesh-system"},
		"values that are in the file":    {"spec: {version: v0.1.0, valuesFrom: [{kind: ConfigMap, name: tuning}]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: tuning}\ndata: {values.yaml: \"proxy: {logLevel: trace}\"}", 1, "logLevel: trace"},
		"a namespace that is not there":  {"spec: {version: v0.1.0, profile: demo}", 1, "planned/apps.v1.Deployment.mesh-egress.meshwright-egress-prod-"},
		"a version that nobody carries":  {"spec: {version: v9.9.9}", 2, "this operator does not carry"},
		"two MeshInstalls in one stream": {"spec: {version: v0.1.0}\n---\n" + diffHead + "spec: {version: v0.1.0}", 2, "there are two MeshInstalls"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := diff(tc.spec)
			if err == nil || ExitCode(err) != tc.code || !strings.Contains(out+err.Error(), tc.says) {
				t.Errorf("exit code is %d, want %d with %q: %v\n%s", ExitCode(err), tc.code, tc.says, err, out)
			}
		})
	}
	for name, args := range map[string][]string{"no file": {"diff"}, "a flag that does not exist": {"diff", "--file", "a"}, "an argument": {"diff", "-f", "-", "a"}, "no cluster": {"diff", "-f", "-", "--kubeconfig", "/nowhere"}} {
		if _, _, err := run(t, diffHead+"spec: {version: v0.1.0}", args...); ExitCode(err) != 2 {
			t.Errorf("%s: exit code is %d, want 2: %v", name, ExitCode(err), err)
		}
	}
	first, err := diff("spec: {version: v0.1.0}")
	again, errAgain := diff("spec: {version: v0.1.0}")
	if first != again || err.Error() != errAgain.Error() {
		t.Error("two runs of diff differ")
	}
}
