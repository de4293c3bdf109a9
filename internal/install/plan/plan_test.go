package plan_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// read is the MeshInstall of a golden case.
func read(t *testing.T, path string) plan.Input {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in v1alpha1.MeshInstall
	if err := yaml.UnmarshalStrict(raw, &in); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return plan.Input{Install: in.Name, Spec: in.Spec}
}

func render(t *testing.T, in plan.Input) *plan.Plan {
	t.Helper()
	p, err := plan.New(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(t *testing.T, p *plan.Plan) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(cases) < 4 {
		t.Fatalf("found %d cases, %v", len(cases), err)
	}
	for _, in := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in.yaml"), func(t *testing.T) {
			t.Parallel()
			got := text(t, render(t, read(t, in)))
			file := strings.Replace(in, ".in.yaml", ".out.yaml", 1)
			if os.Getenv("GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("rendered objects differ from %s (-want +got); make golden rewrites it:\n%s", file, d)
			}
		})
	}
}
