package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

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
	unlock, err := lock(out, dir+".lock")
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
	if err := os.Chmod(partial, 0o755); err != nil { //nolint:gosec // programs for every user
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

// lock waits until the file at path is locked for this process. The lock ends
// with the process, however it ends.
func lock(out io.Writer, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // programs for every user
		return nil, fmt.Errorf("create the cache folder: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // an empty file
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Fprintf(out, "waiting for another run that holds %s\n", path)
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { file.Close() }, nil //nolint:errcheck,gosec // closing is what unlocks
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
