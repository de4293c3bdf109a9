//go:build e2e

package zlifecycle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestInputThatCannotBeMetNamesFieldAndFixAndBreaksNothing(t *testing.T) {
	w := newWorld(t)
	install := w.ready(minimal())
	w.atRest()
	before := w.untouched()

	cases := []struct {
		name   string
		change func(*v1alpha1.MeshInstallSpec)
		reason string
		// words are in the message: the field, what is wrong, the fix.
		words []string
	}{
		{"an unknown version", func(spec *v1alpha1.MeshInstallSpec) { spec.Version = "v9.9.9" },
			v1alpha1.ReasonUnknownVersion, []string{"spec.version: ", `"v9.9.9"`, "set one of: v0.1.0"}},
		{"a gateway in a namespace without rights", func(spec *v1alpha1.MeshInstallSpec) {
			*spec = withIngress()
			spec.Components.Gateways[0].Namespace, spec.Components.Gateways[0].Kind = "default", new(v1alpha1.GatewayIngress)
		}, v1alpha1.ReasonNamespaceNotPrepared, []string{"spec.components.gateways: ", `"default"`, "--gateway-namespaces", "kind: RoleBinding"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := &world{T: t, Cluster: w.Cluster, objects: w.objects}
			spec := minimal()
			tc.change(&spec)
			w.want(spec)
			stalled := w.settled(v1alpha1.ConditionStalled, tc.reason)
			for _, word := range tc.words {
				if got := message(stalled, v1alpha1.ConditionStalled); !strings.Contains(got, word) {
					t.Errorf("message has no %q: %s", word, got)
				}
			}
			if !meta.IsStatusConditionTrue(stalled.Status.Conditions, v1alpha1.ConditionAvailable) {
				t.Errorf("conditions are %+v, want Available", stalled.Status.Conditions)
			}
			if d := cmp.Diff(before, w.untouched()); d != "" {
				t.Errorf("objects changed:\n%s", d)
			}
		})
	}
	if after := w.ready(minimal()); after.Status.ActiveRevision != install.Status.ActiveRevision {
		t.Errorf("revision is %s, was %s", after.Status.ActiveRevision, install.Status.ActiveRevision)
	}
	if d := cmp.Diff(before, w.untouched()); d != "" {
		t.Errorf("objects changed:\n%s", d)
	}
}

// untouched are the versions of all that the operator makes and runs, without
// the MeshInstall.
func (w *world) untouched() map[string]string {
	w.Helper()
	versions := w.versions()
	delete(versions, ref("MeshInstall", "", installName))
	return versions
}

func TestAPIServerRefusesAnUnknownProfileAndAMoveByField(t *testing.T) {
	w := newWorld(t)
	w.want(minimal())
	for name, tc := range map[string]struct{ spec, want string }{
		"an unknown profile": {`{"profile": "huge"}`, `spec.profile: Unsupported value: "huge": supported values: "minimal", "default", "production", "demo"`},
		"a new namespace":    {`{"namespace": "default"}`, `spec.namespace: Invalid value: "default": cannot be changed; delete the MeshInstall and create it anew`},
		"a vague version":    {`{"version": "latest"}`, "spec.version: Invalid value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Cluster.Run(t.Context(), "patch", "meshinstall", installName, "--type=merge", "--patch", `{"spec": `+tc.spec+`}`)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
		})
	}
}

func TestMeshInANamespaceWithoutRightsSaysWhatToApply(t *testing.T) {
	w := newWorld(t)
	w.remove(installName)
	spec := minimal()
	spec.Namespace = "default"
	w.want(spec)
	t.Cleanup(func() { _ = w.objects.Delete(ended(t), &v1alpha1.MeshInstall{ObjectMeta: objectMeta("", installName)}) })
	stalled := w.settled(v1alpha1.ConditionStalled, v1alpha1.ReasonNamespaceNotPrepared)
	got := message(stalled, v1alpha1.ConditionStalled)
	for _, word := range []string{`spec.namespace: the operator has no rights in namespace "default"`, "--mesh-namespaces", "kind: RoleBinding"} {
		if !strings.Contains(got, word) {
			t.Errorf("message has no %q: %s", word, got)
		}
	}
	if line := message(stalled, v1alpha1.ConditionReady); strings.Contains(line, "\n") {
		t.Errorf("Ready is a column of kubectl get, and has lines: %s", line)
	}
	if got := w.left(); len(got) != 1 {
		t.Errorf("there are %v, want only the MeshInstall", got)
	}
	// What was refused can be deleted at once.
	w.remove(installName)
	if err := w.objects.Get(t.Context(), client.ObjectKey{Name: installName}, &v1alpha1.MeshInstall{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
}
