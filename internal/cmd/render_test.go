package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestRenderPrintsWhatThePlanHas(t *testing.T) {
	t.Setenv(plan.ImageVariable("v0.1.0"), "")
	dir := filepath.Join("..", "install", "plan", "testdata")
	want, err := os.ReadFile(filepath.Join(dir, "demo.out.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, "", "render", "-f", filepath.Join(dir, "demo.in.yaml"))
	if err != nil || out != string(want) {
		t.Errorf("error %v, and %d bytes that differ from the golden file's %d", err, len(out), len(want))
	}
}

func TestRenderSaysWhatIsWrong(t *testing.T) {
	const head = "apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata: {name: prod}\n"
	cases := map[string]struct{ in, says string }{
		"a field that does not exist": {head + "spec: {version: v0.1.0, profil: demo}", `unknown field "spec.profil"`},
		"a version that is unknown":   {head + "spec: {version: v9.9.9}", `render MeshInstall prod: spec.version: this operator does not carry "v9.9.9"; set one of: v0.1.0`},
		"another kind":                {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}", "it holds v1 Pod"},
		"no name":                     {"apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nspec: {version: v0.1.0}", "metadata.name: set a name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, tc.in, "render", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want %q in it", err, tc.says)
			}
		})
	}
}
