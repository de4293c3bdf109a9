package apply

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Who puts an object right that another puts wrong again would do so for ever.
const (
	// MaxCorrections is how often drift of one object is put right within
	// CorrectionsWithin.
	MaxCorrections    = 5
	CorrectionsWithin = time.Hour
)

// Reason is why drift is left as it is.
type Reason string

// The reasons.
const (
	// Asked : the owner wants drift reported, not corrected.
	Asked Reason = "Asked"
	// Fought : it was put right MaxCorrections times and changed again.
	Fought Reason = "Fought"
)

// leaves is why drift of an object is not put right now, empty if it is.
func (a *Applier) leaves(ref Ref) Reason {
	if a.report {
		return Asked
	}
	if a.memory.corrections(ref) >= MaxCorrections {
		return Fought
	}
	return ""
}

// corrections counts those of an object that are not too long ago.
func (m *Memory) corrections(ref Ref) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := m.now().Add(-CorrectionsWithin)
	m.corrected[ref] = slices.DeleteFunc(m.corrected[ref], func(at time.Time) bool { return !at.After(since) })
	return len(m.corrected[ref])
}

// correct notes that drift was put right, if there was any.
func (m *Memory) correct(ref Ref, drift []string) {
	if len(drift) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.corrected[ref] = append(m.corrected[ref], m.now())
}

// look finds out what a correction would change, and stores nothing.
func (a *Applier) look(ctx context.Context, change Change, before, desired *unstructured.Unstructured) (Change, error) {
	if before.GetUID() == "" {
		change.Drift = drift(before, nil)
		return change, nil
	}
	after, err := a.send(ctx, desired, client.DryRunAll)
	if err != nil {
		return change, err
	}
	if change.Drift = drift(before, after); len(change.Drift) == 0 {
		change.Left = ""
	}
	return change, nil
}

// drift names what differs; before is empty where the object was missing.
func drift(before, after *unstructured.Unstructured) []string {
	if before.GetUID() == "" {
		return []string{"(deleted)"}
	}
	return differences(substance(before), substance(after))
}

// lastManager is who changed an object last, other than this operator.
func lastManager(o *unstructured.Unstructured) string {
	var name string
	var newest time.Time
	for _, f := range o.GetManagedFields() {
		if f.Manager != FieldManager && f.Subresource == "" && f.Time != nil && !f.Time.Time.Before(newest) {
			name, newest = f.Manager, f.Time.Time
		}
	}
	return name
}

// differences are the paths of the fields in which two objects differ, sorted:
// "spec.replicas", "spec.containers[name=proxy].image",
// "metadata.annotations[a/b]".
func differences(before, after map[string]any) []string {
	var out []string
	compare("", before, after, &out)
	slices.Sort(out)
	return out
}

func compare(path string, before, after any, out *[]string) {
	if reflect.DeepEqual(before, after) {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			compareTables(path, b, a, out)
			return
		}
	case []any:
		if a, ok := after.([]any); ok && len(a) == len(b) {
			for i := range b {
				compare(path+element(i, b[i], a[i]), b[i], a[i], out)
			}
			return
		}
	}
	*out = append(*out, path)
}

func compareTables(path string, before, after map[string]any, out *[]string) {
	keys := slices.Collect(maps.Keys(before))
	for k := range after {
		if _, both := before[k]; !both {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		compare(path+field(path, k), before[k], after[k], out)
	}
}

func field(path, key string) string {
	switch {
	case strings.ContainsAny(key, "./"):
		return "[" + key + "]"
	case path == "":
		return key
	}
	return "." + key
}

// element names a list's element by its name where both have the same.
func element(i int, before, after any) string {
	b, _ := before.(map[string]any)
	a, _ := after.(map[string]any)
	if name, ok := b["name"].(string); ok && a["name"] == name {
		return "[name=" + name + "]"
	}
	return fmt.Sprintf("[%d]", i)
}
