package apiserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// IstioCRDs is the path of the YAML file with Istio's custom resources, inside
// the module istio.io/api that go.mod pins.
func IstioCRDs() (string, error) {
	return moduleFile("istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml")
}

// moduleFile is the path of a file inside a module that the project's go.mod
// requires; the module is fetched if it has to be.
func moduleFile(module, name string) (string, error) {
	root, err := assets.Root()
	if err != nil {
		return "", err
	}
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir = root
	list.Env = append(os.Environ(), "GOWORK=off")
	dir, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", module, err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find %s in module %s: %w", name, module, err)
	}
	return path, nil
}
