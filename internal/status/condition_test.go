package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/mesh"
)

func TestDesired(t *testing.T) {
	t.Parallel()
	refused := mesh.Problem{Reason: "Invalid", Field: "spec.a", Message: "is wrong; do that", Refused: true}
	warning := mesh.Problem{Reason: "HostNotFound", Field: "spec.b", Message: "no such host; create it"}
	accepted := mesh.Condition{Type: "Accepted", Status: "True", Reason: "Accepted", ObservedGeneration: 4}
	tests := map[string]struct {
		problems []mesh.Problem
		want     []mesh.Condition
	}{
		"a good object is accepted and nothing else is said": {nil, []mesh.Condition{accepted}},
		"a refused object is told why, and no more": {
			[]mesh.Problem{warning, refused},
			[]mesh.Condition{{Type: "Accepted", Status: "False", Reason: "Invalid", Message: "spec.a: is wrong; do that", ObservedGeneration: 4}},
		},
		"an object that is served in part is accepted with a warning": {
			[]mesh.Problem{warning, {Reason: "KindNotServed", Message: "is not served"}},
			[]mesh.Condition{accepted, {
				Type: "Warning", Status: "True", Reason: "HostNotFound",
				Message: "spec.b: no such host; create it; is not served", ObservedGeneration: 4,
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, desired(4, test.problems)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	var many []mesh.Problem
	for i := range 100 {
		many = append(many, mesh.Problem{Field: fmt.Sprintf("spec.f%d", i), Message: "m"})
	}
	if m := message(many); !strings.HasSuffix(m, "and 92 more, see meshwright check") || strings.Contains(m, "f8") {
		t.Error(m)
	}
}

func TestMergeKeepsOthersAndTransitionTimes(t *testing.T) {
	t.Parallel()
	const before = "2026-01-01T00:00:00Z"
	now := time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)
	foreign := map[string]any{"type": "Reconciled", "status": "True", "custom": "kept"}
	u := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": "1", "lastTransitionTime": before},
		foreign,
		map[string]any{"type": "Warning", "status": "True", "reason": "Old", "message": "m", "observedGeneration": int64(1), "lastTransitionTime": before},
	}}}}
	want := desired(2, nil)
	list, changed := merge(u, want, now)
	if !changed {
		t.Fatal("a new generation is no change")
	}
	expected := []any{foreign, map[string]any{
		"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": int64(2), "lastTransitionTime": before,
	}}
	if diff := cmp.Diff(expected, list); diff != "" {
		t.Error(diff)
	}
	_ = unstructured.SetNestedSlice(u.Object, list, "status", "conditions")
	if _, changed := merge(u, want, now); changed {
		t.Error("what was written is not what was wanted")
	}
	list, _ = merge(u, desired(2, []mesh.Problem{{Reason: "Invalid", Refused: true}}), now)
	if got := list[1].(map[string]any)["lastTransitionTime"]; got != "2026-02-02T00:00:00Z" {
		t.Errorf("time of the transition: %v", got)
	}
}
