package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/meshwright/meshwright/hack/cluster/lockfile"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// Ensure builds the groups that are not in the cache yet, one after the other,
// and tells its progress on out. It is cheap when nothing is to be done.
func Ensure(ctx context.Context, out io.Writer, groups ...assets.Group) error {
	for _, group := range groups {
		if err := ensure(ctx, out, group); err != nil {
			return fmt.Errorf("build %s: %w", group.Name, err)
		}
	}
	return nil
}

func ensure(ctx context.Context, out io.Writer, group assets.Group) error {
	dir, err := group.Dir()
	if err != nil {
		return err
	}
	if exists(dir) {
		return nil
	}
	unlock, err := lockfile.Acquire(out, dir+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	// The run that held the lock before us may have built it.
	if exists(dir) {
		return nil
	}
	start := time.Now()
	fmt.Fprintf(out, "%s: building, kept in %s\n", group.Name, dir)
	partial, err := os.MkdirTemp(filepath.Dir(dir), ".partial-"+group.Name+"-")
	if err != nil {
		return fmt.Errorf("create a folder to build in: %w", err)
	}
	defer os.RemoveAll(partial) //nolint:errcheck // left over only if the disk fails
	if err := fill(ctx, out, group, partial); err != nil {
		return err
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return fmt.Errorf("put the folder in its place: %w", err)
	}
	fmt.Fprintf(out, "%s: built in %s\n", group.Name, time.Since(start).Round(time.Second))
	return nil
}

func fill(ctx context.Context, out io.Writer, group assets.Group, dir string) error {
	root, err := assets.Root()
	if err != nil {
		return err
	}
	source := filepath.Join(root, group.Source)
	if group.Wheel != "" {
		return unpackWheel(ctx, group, source, dir)
	}
	for _, target := range group.Targets {
		if err := compile(ctx, out, group, target, source, dir); err != nil {
			return err
		}
		for _, link := range target.Links {
			if err := os.Symlink(target.Program, filepath.Join(dir, link)); err != nil {
				return fmt.Errorf("link %s: %w", link, err)
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
