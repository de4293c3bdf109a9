package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

func selecting(key, value string) v1alpha1.CanaryStep {
	return v1alpha1.CanaryStep{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}}
}

func weight(percent int32) v1alpha1.CanaryStep { return v1alpha1.CanaryStep{Weight: ptr.To(percent)} }

// namespaces have the names and UIDs a, b, c and so on.
func namespaces(n int) []rollout.Namespace {
	var out []rollout.Namespace
	for i := range n {
		name := string(rune('a' + i))
		out = append(out, rollout.Namespace{Name: name, UID: "uid-" + name, Labels: map[string]string{"name": name}})
	}
	return out
}

func TestAssign(t *testing.T) {
	t.Parallel()
	steps := []v1alpha1.CanaryStep{selecting("name", "d"), weight(50), weight(100)}
	for name, tc := range map[string]struct {
		namespaces int
		step       int
		before     []string
		moved      int
		has        []string
	}{
		"before the first step nothing has moved":            {4, 0, nil, 0, nil},
		"a selector takes what it selects and no more":       {4, 1, nil, 1, []string{"d"}},
		"a weight fills up to its share":                     {4, 2, nil, 2, []string{"d"}},
		"a share is rounded up":                              {5, 2, nil, 3, []string{"d"}},
		"the last step has all":                              {4, 3, nil, 4, []string{"a", "b", "c", "d"}},
		"a step beyond the last has all":                     {4, 4, nil, 4, []string{"a", "b", "c", "d"}},
		"what has moved stays when its labels change":        {4, 1, []string{"a"}, 2, []string{"a", "d"}},
		"what has moved and is gone is forgotten":            {4, 1, []string{"z"}, 1, []string{"d"}},
		"a mesh without namespaces has none in any step":     {0, 3, nil, 0, nil},
		"what has moved before counts towards a later share": {4, 2, []string{"a"}, 2, []string{"a", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moved, staying, err := rollout.Assign(namespaces(tc.namespaces), steps, tc.step, tc.before)
			if err != nil {
				t.Fatal(err)
			}
			if len(moved) != tc.moved || len(moved)+len(staying) != tc.namespaces {
				t.Errorf("moved %v, staying %v", moved, staying)
			}
			for _, name := range tc.has {
				if !slices.Contains(moved, name) {
					t.Errorf("%s has not moved, only %v", name, moved)
				}
			}
		})
	}
}

// Whatever the mesh and the steps: no step takes a namespace back, the last has
// all, and the order in which namespaces are listed decides nothing.
func TestAssignIsMonotoneCompleteAndStable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var all []rollout.Namespace
		for i := range r.IntN(40) {
			all = append(all, rollout.Namespace{Name: fmt.Sprint("ns", i), UID: fmt.Sprint(r.Uint64()), Labels: map[string]string{"tier": fmt.Sprint(r.IntN(3))}})
		}
		var steps []v1alpha1.CanaryStep
		for range r.IntN(3) {
			steps = append(steps, selecting("tier", fmt.Sprint(r.IntN(3))))
		}
		for w := int32(1 + r.IntN(30)); w < 100; w += int32(1 + r.IntN(40)) {
			steps = append(steps, weight(w))
		}
		steps = append(steps, weight(100))
		var before []string
		for step := range len(steps) + 1 {
			moved, staying, err := rollout.Assign(all, steps, step, before)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range before {
				if !slices.Contains(moved, name) {
					t.Fatalf("seed %d: step %d takes %s back", seed, step, name)
				}
			}
			shuffled := slices.Clone(all)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			again, _, _ := rollout.Assign(shuffled, steps, step, nil)
			if d := cmp.Diff(moved, again); d != "" {
				t.Fatalf("seed %d: step %d depends on the order or on what was before:\n%s", seed, step, d)
			}
			if step == len(steps) && len(staying) > 0 {
				t.Fatalf("seed %d: %v stay after the last step", seed, staying)
			}
			before = moved
		}
	}
}

func TestASelectorThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	bad := v1alpha1.CanaryStep{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}}
	_, _, err := rollout.Assign(namespaces(1), []v1alpha1.CanaryStep{weight(1), bad}, 2, nil)
	if err == nil || !cmp.Equal(err.Error()[:45], "read spec.update.canary.steps[1].selector: \"N") {
		t.Errorf("error is %v", err)
	}
}
