package apply

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// WriteDiff prints what a plan would change as unified diffs of YAML, as
// kubectl diff does, and nothing where nothing changes. An object that would be
// deleted and one that would be created under the same alias are shown as one
// that changes: alias gives a name without what differs between revisions.
func WriteDiff(w io.Writer, plan []Planned, alias func(Ref) Ref) error {
	plan = sortedByRef(plan)
	successors := map[Ref]int{}
	for i, p := range plan {
		if p.Before == nil {
			successors[alias(p.Ref)] = i
		}
	}
	replaced := map[int]bool{}
	for i, p := range plan {
		if at, ok := successors[alias(p.Ref)]; ok && p.After == nil && !replaced[at] {
			plan[i].After, replaced[at] = plan[at].After, true
		}
	}
	for i, p := range plan {
		if replaced[i] || !p.Changes() {
			continue
		}
		if err := writeOne(w, p); err != nil {
			return err
		}
	}
	return nil
}

func writeOne(w io.Writer, p Planned) error {
	before, err := textOf(p.Before)
	if err != nil {
		return err
	}
	after, err := textOf(p.After)
	if err != nil {
		return err
	}
	if p.Adopts {
		if _, err := fmt.Fprintf(w, "# %s is adopted; it was managed by %s\n", p.Ref, strings.Join(p.By, ", ")); err != nil {
			return err
		}
	}
	to := p.Ref
	if p.After != nil {
		to = RefOf(p.After)
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: before, B: after, FromFile: "live/" + p.Ref.file(), ToFile: "planned/" + to.file(), Context: 3,
	})
	if err != nil {
		return fmt.Errorf("compare %s: %w", p.Ref, err)
	}
	_, err = io.WriteString(w, text)
	return err
}

// textOf is an object as lines of YAML; none for nil.
func textOf(o *unstructured.Unstructured) ([]string, error) {
	if o == nil {
		return nil, nil
	}
	raw, err := yaml.Marshal(o.Object)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", RefOf(o), err)
	}
	return slices.Collect(strings.Lines(string(raw))), nil
}

// file is a ref as kubectl diff names files.
func (r Ref) file() string {
	parts := []string{r.Group, r.Version, r.Kind, r.Namespace, r.Name}
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ".")
}
