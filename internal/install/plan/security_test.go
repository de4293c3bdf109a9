package plan_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestAllPodsPassTheRestrictedLevel(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := plan.Operator("meshwright-operator", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	deployments := 0
	for _, o := range slices.Concat(render(t, withSpec(t, "  profile: demo\n")).RevisionSet, operator) {
		if o.GetKind() != "Deployment" {
			continue
		}
		deployments++
		d := decodeDeployment(t, o)
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec))
		if !result.Allowed {
			t.Errorf("%s is refused: %s", o.GetName(), result.ForbiddenDetail())
		}
		// OpenShift's restricted-v2 admits ids of the namespace's own range only.
		if s := d.Spec.Template.Spec.SecurityContext; s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil {
			t.Errorf("%s says as whom it runs, so that no platform can choose", o.GetName())
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.SecurityContext.RunAsUser != nil {
				t.Errorf("%s: %s says as whom it runs", o.GetName(), c.Name)
			}
			if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("%s: %s may write to its image", o.GetName(), c.Name)
			}
		}
	}
	if deployments != 5 {
		t.Errorf("looked at %d Deployments, want discovery, injector, two gateways and the operator", deployments)
	}
}

func TestEveryPodHasProbesAndRequests(t *testing.T) {
	operator, err := plan.Operator("meshwright-operator", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{"minimal", "default", "demo", "production"} {
		for _, o := range slices.Concat(render(t, withSpec(t, "  profile: "+profile+"\n")).RevisionSet, operator) {
			if o.GetKind() != "Deployment" {
				continue
			}
			for _, c := range decodeDeployment(t, o).Spec.Template.Spec.Containers {
				if c.ReadinessProbe == nil {
					t.Errorf("profile %s: container %s of %s has no readiness probe", profile, c.Name, o.GetName())
				}
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
					t.Errorf("profile %s: container %s of %s asks its node for %v", profile, c.Name, o.GetName(), c.Resources.Requests)
				}
			}
		}
	}
}

func decodeDeployment(t *testing.T, o *unstructured.Unstructured) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, d, true); err != nil {
		t.Fatal(err)
	}
	return d
}
