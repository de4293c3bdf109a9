package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLayerHoldsFilesWithTheFoldersAboveThem(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte("ELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	if err := writeLayer(&layer, []File{
		{Path: "/usr/bin/program", Source: source, Mode: 0o755},
		{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
		{Path: "/etc/passwd", Content: "root", Mode: 0o644},
	}); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name    string
		Mode    int64
		Content string
	}
	want := []entry{
		{"etc/", 0o755, ""},
		{"etc/passwd", 0o644, "root"},
		{"tmp/", 0o1777, ""},
		{"usr/", 0o755, ""},
		{"usr/bin/", 0o755, ""},
		{"usr/bin/program", 0o755, "ELF"},
	}
	var got []entry
	for archive := tar.NewReader(&layer); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{header.Name, header.Mode, string(content)})
		if !header.ModTime.Equal(time.Unix(0, 0)) || header.Uid != 0 {
			t.Errorf("%s is dated %s and owned by %d, want 1970 and root", header.Name, header.ModTime, header.Uid)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDigestFollowsContentOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	digest := func(name, content string, dated time.Time) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chtimes(path, dated, dated)); err != nil {
			t.Fatal(err)
		}
		image, err := Static("docker.io/meshwright/a:v1", "a", path).build()
		if err != nil {
			t.Fatal(err)
		}
		hash, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return hash.String()
	}
	first := digest("one", "program", time.Unix(1, 0))
	if second := digest("two", "program", time.Unix(2, 0)); second != first {
		t.Errorf("the same program, elsewhere and later: %s, want %s", second, first)
	}
	if other := digest("three", "another", time.Unix(1, 0)); other == first {
		t.Error("another program has the same digest")
	}
}

func TestWriteKeepsWhatIsInUse(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	write := func(content string) Archive {
		t.Helper()
		archive, err := Write(Image{Ref: "docker.io/meshwright/a:v1", Layers: [][]File{{{Path: "/a", Content: content, Mode: 0o644}}}})
		if err != nil {
			t.Fatal(err)
		}
		return archive
	}
	unused, used := write("1"), write("2")
	info, err := os.Stat(used.Path)
	if err != nil {
		t.Fatal(err)
	}
	longAgo := time.Unix(0, 0)
	for _, archive := range []Archive{unused, used} {
		if err := os.Chtimes(archive.Path, longAgo, longAgo); err != nil {
			t.Fatal(err)
		}
	}
	write("2")
	if again, err := os.Stat(used.Path); err != nil || !os.SameFile(info, again) {
		t.Errorf("an archive that is there was written again (%v)", err)
	}
	current := write("3")
	entries, err := filepath.Glob(filepath.Join(filepath.Dir(current.Path), "*"))
	want := []string{used.Path, current.Path}
	slices.Sort(want)
	if diff := cmp.Diff(want, entries); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
