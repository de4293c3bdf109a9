package apply

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

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
