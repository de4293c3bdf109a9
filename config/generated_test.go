package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// controllerGen is the generator at the version that the Makefile pins.
const controllerGen = "sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0"

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	crds, roles, code := t.TempDir(), t.TempDir(), t.TempDir()
	for _, args := range [][]string{
		{"crd", "paths=./api/...", "output:crd:dir=" + crds},
		{"rbac:roleName=meshwright-operator", "paths=./controllers/...", "output:rbac:dir=" + roles},
		{"object", "paths=./api/...", "output:object:dir=" + code},
	} {
		command := exec.Command("go", append([]string{"run", controllerGen}, args...)...)
		command.Dir = ".."
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("controller-gen %v: %v\n%s", args, err, out)
		}
	}
	pairs := map[string]string{
		filepath.Join(roles, "role.yaml"):               "rbac/role.yaml",
		filepath.Join(code, "zz_generated.deepcopy.go"): "../api/v1alpha1/zz_generated.deepcopy.go",
	}
	files, err := os.ReadDir(crds)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d CRDs were generated, %v", len(files), err)
	}
	for _, f := range files {
		pairs[filepath.Join(crds, f.Name())] = "crd/bases/" + f.Name()
	}
	for generated, committed := range pairs {
		if d := cmp.Diff(string(read(t, committed)), string(read(t, generated))); d != "" {
			t.Errorf("%s is not up to date; make generate manifests (-committed +generated):\n%s", committed, d)
		}
	}
}
