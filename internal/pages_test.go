package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var (
	link  = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]+)?\)`)
	fence = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```")
)

// pages calls f for each Markdown file of the project.
func pages(t *testing.T, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && nested(path) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f(path, string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	seen := 0
	pages(t, func(path, text string) {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), found[1])); err != nil {
				t.Errorf("%s leads to %s, which is not there", strings.TrimPrefix(path, "../"), found[1])
			}
		}
	})
	if seen < 20 {
		t.Errorf("found only %d links", seen)
	}
}

func TestYAMLInTheDocsIsYAML(t *testing.T) {
	seen := 0
	pages(t, func(path, text string) {
		for _, found := range fence.FindAllStringSubmatch(text, -1) {
			for _, document := range strings.Split(found[1], "\n---\n") {
				seen++
				var fields map[string]any
				if err := yaml.UnmarshalStrict([]byte(document), &fields); err != nil {
					t.Errorf("%s has what is no YAML: %v:\n%s", strings.TrimPrefix(path, "../"), err, document)
				}
			}
		}
	})
	if seen < 5 {
		t.Errorf("found only %d documents", seen)
	}
}
