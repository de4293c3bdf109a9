package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing/fstest"

	"github.com/meshwright/meshwright/hack/bundlecheck"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/version"
)

func main() {
	root := flag.String("root", ".", "folder of the project")
	image := flag.String("image", plan.DefaultImage(version.String()), "image of this version; a release gives it with its digest")
	check := flag.Bool("check", false, "write nothing: say what is out of date, and what a catalogue would refuse")
	flag.Parse()
	run := write
	if *check {
		run = verify
	}
	if err := run(os.Stdout, source{root: *root, image: *image}); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

// write makes bundle/ anew. Files that are not generated any more go.
func write(out io.Writer, s source) error {
	files, err := s.generate()
	if err != nil {
		return err
	}
	folder := filepath.Join(s.root, "bundle")
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove the old bundle: %w", err)
	}
	for name, data := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make folder of %s: %w", name, err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	_, err = fmt.Fprintf(out, "wrote %d files to %s\n", len(files), folder)
	return err
}

// verify prints all findings, and their count on the last line. Any is an error.
func verify(out io.Writer, s source) error {
	files, err := s.generate()
	if err != nil {
		return err
	}
	stale, err := s.compare(files)
	if err != nil {
		return err
	}
	expected, err := s.expected()
	if err != nil {
		return err
	}
	made := fstest.MapFS{}
	for name, data := range files {
		made[name] = &fstest.MapFile{Data: data}
	}
	b, err := bundlecheck.Read(made, expected)
	if err != nil {
		return err
	}
	count := map[bundlecheck.Severity]int{bundlecheck.Error: len(stale)}
	for _, name := range stale {
		fmt.Fprintf(out, "error: bundle/%s is not up to date; make bundle\n", name)
	}
	for _, f := range bundlecheck.Check(b) {
		count[f.Severity]++
		fmt.Fprintln(out, f)
	}
	fmt.Fprintf(out, "errors=%d warnings=%d size=%d\n", count[bundlecheck.Error], count[bundlecheck.Warning], b.Size())
	if n := count[bundlecheck.Error] + count[bundlecheck.Warning]; n > 0 {
		return fmt.Errorf("%d findings", n)
	}
	return nil
}

// compare lists the files of bundle/ that are not what would be written.
func (s source) compare(files map[string][]byte) (stale []string, err error) {
	folder := filepath.Join(s.root, "bundle")
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want) {
			stale = append(stale, name)
		}
	}
	err = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if _, ok := files[filepath.ToSlash(name)]; !ok {
			stale = append(stale, name)
		}
		return err
	})
	slices.Sort(stale)
	return stale, err
}
