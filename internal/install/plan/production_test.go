package plan_test

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/meshwright/meshwright/internal/install/plan"
)

// guards are the autoscalers and budgets of a plan, by namespace and name.
func guards(t *testing.T, p *plan.Plan) (map[string]*autoscalingv2.HorizontalPodAutoscaler, []*policyv1.PodDisruptionBudget) {
	t.Helper()
	scalers := map[string]*autoscalingv2.HorizontalPodAutoscaler{}
	var budgets []*policyv1.PodDisruptionBudget
	for _, o := range p.RevisionSet {
		switch o.GetKind() {
		case "HorizontalPodAutoscaler":
			h := &autoscalingv2.HorizontalPodAutoscaler{}
			decodeInto(t, o, h)
			scalers[h.Namespace+"/"+h.Spec.ScaleTargetRef.Name] = h
		case "PodDisruptionBudget":
			b := &policyv1.PodDisruptionBudget{}
			decodeInto(t, o, b)
			budgets = append(budgets, b)
		}
	}
	return scalers, budgets
}

func TestNobodyWritesOverAnAutoscaler(t *testing.T) {
	for name, in := range map[string]plan.Input{
		"production":         withSpec(t, "  profile: production\n"),
		"a mix":              withSpec(t, "  profile: demo\n  components: {discovery: {replicas: {min: 2, max: 5}}, injector: {replicas: {min: 3}}}\n"),
		"a most that is low": withSpec(t, "  profile: production\n  components: {discovery: {replicas: {min: 8}}, injector: {replicas: {min: 2, max: 2}}}\n"),
		"default":            withSpec(t, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := render(t, in)
			scalers, _ := guards(t, p)
			for _, o := range p.RevisionSet {
				if o.GetKind() != "Deployment" {
					continue
				}
				d, h := decodeDeployment(t, o), scalers[o.GetNamespace()+"/"+o.GetName()]
				if (d.Spec.Replicas == nil) != (h != nil) {
					t.Errorf("%s has replicas %v, and an autoscaler: %v", d.Name, d.Spec.Replicas, h != nil)
				}
				if h == nil {
					continue
				}
				if *h.Spec.MinReplicas < 1 || h.Spec.MaxReplicas <= *h.Spec.MinReplicas {
					t.Errorf("%s scales from %d to %d", d.Name, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
				}
				if _, ok := d.Spec.Template.Spec.Containers[0].Resources.Requests["cpu"]; !ok {
					t.Errorf("%s scales by a share of a CPU request that it does not have", d.Name)
				}
			}
		})
	}
}

func TestNoBudgetBlocksADrain(t *testing.T) {
	p := render(t, withSpec(t, "  profile: production\n"))
	_, budgets := guards(t, p)
	pods, _, _ := operands(t, p)
	if len(budgets) != len(pods) {
		t.Errorf("%d budgets for %d components", len(budgets), len(pods))
	}
	for _, b := range budgets {
		if b.Spec.MinAvailable != nil || b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntVal < 1 {
			t.Errorf("%s may leave no pod to go: %+v", b.Name, b.Spec)
		}
		if b.Spec.UnhealthyPodEvictionPolicy == nil || *b.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
			t.Errorf("%s keeps pods that are not healthy", b.Name)
		}
		covered := 0
		for _, pod := range pods {
			if pod.namespace == b.Namespace && selects(b.Spec.Selector, pod.labels) {
				covered++
			}
		}
		if covered != 1 {
			t.Errorf("%s is about the pods of %d components", b.Name, covered)
		}
	}
	if _, budgets := guards(t, render(t, withSpec(t, ""))); len(budgets) > 0 {
		t.Error("a component of one pod has a budget")
	}
}

func TestProductionPodsAreSpreadAndAboveOthers(t *testing.T) {
	for _, o := range render(t, withSpec(t, "  profile: production\n")).RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		pod := decodeDeployment(t, o).Spec.Template
		if pod.Spec.PriorityClassName != "system-cluster-critical" {
			t.Errorf("%s has the priority %q", o.GetName(), pod.Spec.PriorityClassName)
		}
		keys := map[string]bool{}
		for _, c := range pod.Spec.TopologySpreadConstraints {
			keys[c.TopologyKey] = selects(c.LabelSelector, pod.Labels) && c.WhenUnsatisfiable == "ScheduleAnyway"
		}
		if len(keys) != 2 || !keys["topology.kubernetes.io/zone"] || !keys["kubernetes.io/hostname"] {
			t.Errorf("%s is spread by %v", o.GetName(), keys)
		}
	}
}
