package inject

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// A pod that is restricted before injection must be so after it, but for the
// one container that writes the capture rules.
func TestRestrictedButForTheRedirectContainer(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	before := &corev1.Pod{
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "a", Image: "example/a",
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				RunAsNonRoot:             ptr.To(true),
				SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}}},
	}
	before.APIVersion, before.Kind, before.Name = "v1", "Pod", "a"
	text, err := yaml.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := stream(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	var after corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(out), &after); err != nil {
		t.Fatal(err)
	}

	whole := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &after.ObjectMeta, &after.Spec))
	if whole.Allowed {
		t.Error("the redirect container is restricted: this test proves nothing")
	}
	after.Spec.InitContainers = slices.DeleteFunc(after.Spec.InitContainers, named(redirectContainer))
	if len(after.Spec.InitContainers) != 1 {
		t.Fatalf("%d init containers without the redirect container, want 1", len(after.Spec.InitContainers))
	}
	rest := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &after.ObjectMeta, &after.Spec))
	if !rest.Allowed {
		t.Errorf("not restricted: %s", rest.ForbiddenDetail())
	}
}
