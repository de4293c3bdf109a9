package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// ErrMissing says that a program is not in the cache.
var ErrMissing = errors.New("not built yet, run `make assets`")

// Path is the absolute path of a program, such as "kube-apiserver" or "envoy".
// It ends the test when the program is not built: nothing is skipped.
func Path(t testing.TB, program string) string {
	t.Helper()
	path, err := Find(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Find is Path for a caller that is not a test. The error wraps ErrMissing when
// the program is known but not built.
func Find(program string) (string, error) {
	for _, group := range Groups() {
		if !slices.Contains(group.Programs(), program) {
			continue
		}
		dir, err := group.Dir()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, program)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find %s: %w", program, ErrMissing)
		}
		return path, nil
	}
	return "", fmt.Errorf("find %s: no such asset", program)
}

// Dir is the folder that holds the group's programs once they are built; its
// name ends in the key of the group's source. It is there whole or not at all.
func (g Group) Dir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	key, err := g.key(filepath.Join(root, g.Source))
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "assets", g.Name+"-"+key), nil
}

// key is a short hash of what is built: the group's recipe, and name and bytes
// of every file in its source.
func (g Group) key(source string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", fmt.Sprint(g))
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", name, len(data))
		sum.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", source, err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// Cache is the folder of everything that Meshwright keeps between runs:
// meshwright in the user's cache folder.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(dir, "meshwright"), nil
}

// Root is the root of the repository: the nearest folder above the working
// directory that has hack/cluster in it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, Kube.Source, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the repository: the working directory is not inside it")
		}
		dir = parent
	}
}
