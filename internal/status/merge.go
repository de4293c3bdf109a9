package status

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/mesh"
)

// merge returns the raw list of conditions that u should have: foreign entries
// as they are, ours as wanted. changed is false if that is what u has.
func merge(u *unstructured.Unstructured, want []mesh.Condition, now time.Time) (list []any, changed bool) {
	raw, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	var there []mesh.Condition
	since := map[string]any{}
	for _, entry := range raw {
		fields, _ := entry.(map[string]any)
		c := read(fields)
		if !ours(c.Type) {
			list = append(list, entry)
			continue
		}
		there = append(there, c)
		since[c.Type+c.Status] = fields["lastTransitionTime"]
	}
	if same(there, want) {
		return nil, false
	}
	for _, c := range want {
		transition := since[c.Type+c.Status]
		if transition == nil {
			transition = now.UTC().Format(time.RFC3339)
		}
		list = append(list, map[string]any{
			"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message,
			"observedGeneration": c.ObservedGeneration, "lastTransitionTime": transition,
		})
	}
	return list, true
}

// read takes one entry leniently: Istio writes numbers as text.
func read(fields map[string]any) mesh.Condition {
	text := func(name string) string { s, _ := fields[name].(string); return s }
	out := mesh.Condition{Type: text("type"), Status: text("status"), Reason: text("reason"), Message: text("message")}
	switch n := fields["observedGeneration"].(type) {
	case int64:
		out.ObservedGeneration = n
	case string:
		out.ObservedGeneration, _ = strconv.ParseInt(n, 10, 64)
	}
	return out
}
