package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// sharedWorld is a cluster for the meshes of two teams, and an operator to which
// discovery says nothing. Each team has a namespace of its color.
func sharedWorld(t *testing.T) *world {
	w := newWorld(t)
	objects, err := plan.Operator(operatorNamespace, map[string]any{
		"operandNamespaces": map[string]any{"mesh": []any{"mesh-system", "mesh-blue", "mesh-red"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := w.client.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership); err != nil {
			t.Fatalf("install the chart's %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	options := operatorOptions()
	options.MeshNamespaces = []string{"mesh-system", "mesh-blue", "mesh-red"}
	options.Discovery = &talk{}
	w.operateWith(w.operatorConfig(), options)
	w.runPods(everything)
	w.runDiscovery("mesh-blue", "mesh-red")
	for _, team := range []string{"blue", "red"} {
		w.teamNamespace("team-"+team, map[string]string{"team": team, "istio.io/rev": team})
	}
	return w
}

// teamNamespace makes a namespace with these labels until the test ends.
func (w *world) teamNamespace(name string, labels map[string]string) {
	w.Helper()
	n := &corev1.Namespace{}
	n.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	n.Name = name
	if err := w.client.Create(w.ctx, n); client.IgnoreAlreadyExists(err) != nil {
		w.Fatal(err)
	}
	w.relabel(name, labels)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}}
	if err := w.client.Create(w.ctx, account); client.IgnoreAlreadyExists(err) != nil {
		w.Fatal(err)
	}
	// Namespaces stay where no controller finishes them.
	w.Cleanup(func() { w.relabel(name, nil) })
}

// relabel gives a namespace these labels and no others.
func (w *world) relabel(name string, labels map[string]string) {
	w.Helper()
	w.eventually("namespace "+name+" is labelled", func() error {
		n := &corev1.Namespace{}
		if err := w.client.Get(w.ctx, client.ObjectKey{Name: name}, n); err != nil {
			return err
		}
		n.Labels = labels
		return w.client.Update(w.ctx, n)
	})
}

// teamSpec is the mesh of a team; canary are the lines of spec.update.canary.
func teamSpec(team string, canary ...string) string {
	spec := fmt.Sprintf("  profile: minimal\n  namespace: mesh-%[1]s\n  tags: [%[1]s]\n  scope: {namespaceSelector: {matchLabels: {team: %[1]s}}}\n", team)
	if len(canary) > 0 {
		spec += strings.TrimPrefix(canarySpec(canary...), "  profile: minimal\n")
	}
	return spec
}

// edit changes the spec of a MeshInstall as its owner in Git does.
func (w *world) edit(name string, change func(*v1alpha1.MeshInstallSpec)) {
	w.Helper()
	install := w.get(name)
	before := install.DeepCopy()
	change(&install.Spec)
	if err := w.client.Patch(w.ctx, install, client.MergeFrom(before), client.FieldOwner("git")); err != nil {
		w.Fatal(err)
	}
}

// of are the versions of all objects of a MeshInstall, by kind and name.
func (w *world) of(install string) map[string]string {
	w.Helper()
	out := map[string]string{}
	for key, o := range w.own() {
		if o.GetLabels()[plan.LabelInstall] == install {
			out[key] = string(o.GetUID()) + " " + o.GetResourceVersion()
		}
	}
	return out
}

// injects waits until the API server gives new pods of a namespace the proxy of
// a revision; "" is none.
func (w *world) injects(namespace, revision string) {
	w.Helper()
	w.eventually(fmt.Sprintf("pods of %s get the proxy of %q", namespace, revision), func() error {
		pod := probePod(namespace)
		if err := w.client.Create(w.ctx, pod, client.DryRunAll); err != nil {
			return err
		}
		if got := pod.Labels["istio.io/rev"]; got != revision || (len(pod.Spec.InitContainers) == 2) != (revision != "") {
			return fmt.Errorf("got %q and %d init containers", got, len(pod.Spec.InitContainers))
		}
		return nil
	})
}

func TestTwoMeshesLiveSideBySide(t *testing.T) {
	w := sharedWorld(t)
	w.create("blue", teamSpec("blue", "steps: [{weight: 100}]"))
	w.create("red", teamSpec("red"))
	blue, red := w.ready("blue"), w.ready("red")

	want := slices.Concat(w.wanted(blue), w.wanted(red))
	slices.Sort(want)
	if d := cmp.Diff(want, w.ownKeys()); d != "" {
		t.Errorf("objects differ from the two plans (-want +got):\n%s", d)
	}
	w.teamNamespace("team-none", map[string]string{"istio.io/rev": "blue"})
	w.teamNamespace("team-default", map[string]string{"team": "blue", "istio-injection": "enabled"})
	for namespace, revision := range map[string]string{
		"team-blue": blue.Status.ActiveRevision, "team-red": red.Status.ActiveRevision,
		// Out of scope, and the tag default, which nobody has.
		"team-none": "", "team-default": "",
	} {
		w.injects(namespace, revision)
	}

	before := w.of("red")
	writes := len(w.operatorWrites())
	w.edit("blue", makeStrict)
	w.eventually("blue is on its next revision", func() error {
		if active := w.get("blue").Status.ActiveRevision; active == blue.Status.ActiveRevision {
			return fmt.Errorf("active is %s", active)
		}
		return nil
	})
	blue = w.ready("blue")
	w.injects("team-blue", blue.Status.ActiveRevision)
	if moved := w.record(blue.Status.ActiveRevision).Status.Update; moved == nil || moved.Step != 1 {
		t.Errorf("the update of blue was no canary: %+v", moved)
	}
	if d := cmp.Diff(before, w.of("red")); d != "" {
		t.Errorf("a canary of blue touched red (-before +after):\n%s", d)
	}
	for _, write := range w.operatorWrites()[writes:] {
		if strings.Contains(write.Name, "red") || strings.Contains(write.Namespace, "red") {
			t.Errorf("the operator wrote what is red's: %+v", write)
		}
	}

	root := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "mesh-red", Name: operandRoot}}
	w.remove("blue")
	if d := cmp.Diff(before, w.of("red")); d != "" || !w.isThere(root) {
		t.Errorf("the removal of blue touched red; its root is there: %t (-before +after):\n%s", w.isThere(root), d)
	}
	if left := w.of("blue"); len(left) > 0 {
		t.Errorf("of blue are left: %v", left)
	}
	w.injects("team-blue", "")
	w.injects("team-red", red.Status.ActiveRevision)
}

func TestTheYoungerWaitsForWhatTheOlderHas(t *testing.T) {
	w := sharedWorld(t)
	w.create("blue", teamSpec("blue"))
	w.ready("blue")
	w.create("red", strings.ReplaceAll(teamSpec("red"), "tags: [red]", "tags: [blue, red]"))
	stalled := func(want string) {
		t.Helper()
		w.eventually("red says "+want, func() error {
			if c := w.condition("red", v1alpha1.ConditionStalled, v1alpha1.ReasonAnotherMeshInstall); c.Message != want {
				return fmt.Errorf("message is %q", c.Message)
			}
			return nil
		})
		if left := w.of("red"); len(left) > 0 {
			t.Errorf("red has objects all the same: %v", left)
		}
	}
	stalled("spec.tags: MeshInstall blue is older and has the tag blue; set other tags")

	// The older gives the tag up, and the younger comes in the way elsewhere.
	w.relabel("team-red", map[string]string{"team": "blue", "stage": "red"})
	w.edit("red", func(s *v1alpha1.MeshInstallSpec) {
		s.Scope.NamespaceSelector.MatchLabels = map[string]string{"stage": "red"}
	})
	w.edit("blue", func(s *v1alpha1.MeshInstallSpec) { s.Tags = []string{"sky"} })
	stalled("spec.scope: MeshInstall blue is older and has namespace team-red too; select by labels that no namespace of the other mesh has")

	w.relabel("team-red", map[string]string{"stage": "red", "istio.io/rev": "red"})
	red := w.ready("red")
	w.injects("team-red", red.Status.ActiveRevision)

	// What serves goes on when a label makes it the younger's fault.
	before := w.of("red")
	w.relabel("team-red", map[string]string{"team": "blue", "stage": "red", "istio.io/rev": "red"})
	w.condition("red", v1alpha1.ConditionStalled, v1alpha1.ReasonAnotherMeshInstall)
	if d := cmp.Diff(before, w.of("red")); d != "" {
		t.Errorf("what serves was touched (-before +after):\n%s", d)
	}
	w.injects("team-red", red.Status.ActiveRevision)
	w.remove("blue")
	w.ready("red")
}

func TestTheYoungerWaitsForWhatTheOldersRevisionHas(t *testing.T) {
	w := sharedWorld(t)
	w.create("blue", teamSpec("blue", "steps: [{selector: {matchLabels: {team: blue}}}, {weight: 100}]", "approval: Manual", "approvedStep: 1"))
	first := w.ready("blue").Status.ActiveRevision
	w.edit("blue", func(s *v1alpha1.MeshInstallSpec) { s.Tags = []string{"sky"} })
	w.create("red", strings.ReplaceAll(teamSpec("red"), "tags: [red]", "tags: [blue]"))
	c := w.condition("red", v1alpha1.ConditionReconciling, v1alpha1.ReasonAnotherMeshInstall)
	if want := "spec.tags: MeshInstall blue is older and has the tag blue; set other tags; or wait: its spec gives that up, and its revision " + first + " still serves"; c.Message != want {
		t.Errorf("message is %q, want %q", c.Message, want)
	}
	if left := w.of("red"); len(left) > 0 {
		t.Errorf("red has objects all the same: %v", left)
	}
	w.edit("blue", func(s *v1alpha1.MeshInstallSpec) {
		step := int32(2)
		s.Update.Canary.ApprovedStep = &step
	})
	w.ready("red")
	if active := w.get("blue").Status.ActiveRevision; active == first {
		t.Errorf("red is ready, and %s still serves", first)
	}
}

func TestANamespaceThatLeavesIsNoPartOfACanary(t *testing.T) {
	w := sharedWorld(t)
	w.teamNamespace("team-leaves", map[string]string{"team": "blue", "istio.io/rev": "blue"})
	w.create("blue", teamSpec("blue", "steps: [{selector: {matchLabels: {istio.io/rev: blue}}}, {weight: 100}]", "approval: Manual", "approvedStep: 1"))
	first := w.ready("blue").Status.ActiveRevision
	w.injects("team-leaves", first)
	w.relabel("team-leaves", map[string]string{"istio.io/rev": "blue"})
	w.injects("team-leaves", "")
	w.plainPod("team-leaves", "bare", "", func(*corev1.Pod) {})
	w.Cleanup(func() { w.removePods("team-leaves") })

	w.edit("blue", makeStrict)
	w.condition("blue", v1alpha1.ConditionReconciling, v1alpha1.ReasonCanary)
	second := w.get("blue").Status.TargetRevision
	w.eventually("the first step is taken", func() error {
		if got := w.record(second).Status.Moved; !slices.Equal(got, []string{"team-blue"}) {
			return fmt.Errorf("moved are %v", got)
		}
		return nil
	})
	w.injects("team-blue", second)
	w.injects("team-leaves", "")
	if missing := w.get("blue").Status.Unmeshed; missing != nil {
		t.Errorf("a pod out of scope lacks a sidecar: %+v", missing)
	}
	w.relabel("team-leaves", map[string]string{"team": "blue", "istio.io/rev": "blue"})
	w.eventually("the pod counts once its namespace is back", func() error {
		if missing := w.get("blue").Status.Unmeshed; missing == nil || !slices.Equal(missing.Names, []string{"Pod team-leaves/bare"}) {
			return fmt.Errorf("without a sidecar are %+v", missing)
		}
		return nil
	})
}
