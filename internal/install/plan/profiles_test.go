package plan

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/golden"
)

const profilesHead = `# Profiles

What each profile of v0.1.0 sets, over what every profile begins with. Keys under ` + "`update`" + ` are fields of ` + "`spec.update`" + `, the others are values of the chart, most of which have a field of the spec too. This page is made from the chart by a test: ` + "`make golden`" + ` rewrites it.

`

// TestProfilesAreInTheDocs writes the table of the profiles from the charts.
func TestProfilesAreInTheDocs(t *testing.T) {
	t.Parallel()
	names := []string{"minimal", "default", "production", "demo"}
	if have := folders(path.Join(released[0].chart, "profiles")); !slices.Equal(slices.Sorted(slices.Values(names)), have) {
		t.Fatalf("the chart has the profiles %v", have)
	}
	c, err := loadChart(released[0].chart)
	if err != nil {
		t.Fatal(err)
	}
	begin := map[string]string{}
	flatten("", c.Values, begin)
	columns := map[string]map[string]string{}
	differs := map[string]bool{}
	for _, name := range names {
		values, err := profileValues(v1alpha1.MeshInstallSpec{Version: released[0].Version, Profile: v1alpha1.Profile(name)})
		if err != nil {
			t.Fatal(err)
		}
		columns[name] = map[string]string{}
		flatten("", values, columns[name])
		for key, value := range columns[name] {
			differs[key] = differs[key] || begin[key] != value
		}
	}
	var out strings.Builder
	out.WriteString(profilesHead + "| | all begin with | " + strings.Join(names, " | ") + " |\n|" + strings.Repeat("---|", len(names)+2) + "\n")
	keys := map[string]bool{}
	for _, column := range append([]map[string]string{begin}, columns["minimal"], columns["default"], columns["production"], columns["demo"]) {
		for key := range column {
			keys[key] = true
		}
	}
	for _, key := range sortedKeys(keys) {
		row := []string{"`" + key + "`", code(begin[key])}
		for _, name := range names {
			cell := ""
			if columns[name][key] != begin[key] {
				cell = code(columns[name][key])
			}
			row = append(row, cell)
		}
		if differs[key] || begin[key] != "" {
			fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
		}
	}
	golden.Text(t, "../../../docs/reference/profiles.md", []byte(out.String()))
}

func sortedKeys(set map[string]bool) []string {
	var out []string
	for key := range set {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// flatten writes a table of values as paths; lists stay whole.
func flatten(prefix string, table map[string]any, into map[string]string) {
	for key, value := range table {
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			flatten(prefix+key+".", inner, into)
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		into[prefix+key] = string(raw)
	}
}
