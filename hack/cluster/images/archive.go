package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/meshwright/meshwright/hack/cluster/lockfile"
	"github.com/meshwright/meshwright/internal/test/assets"
)

// Archive is an image as a file that containerd imports.
type Archive struct {
	// Ref is the image's name.
	Ref string
	// Digest is that of the image's manifest: sha256:…
	Digest string
	// Path is the OCI layout in a tar file.
	Path string
}

// keepUnused is how long an archive stays that nobody asks for any more. Several
// checkouts share the cache, so another run may be about to load it.
const keepUnused = time.Hour

// Write builds the image and keeps it in the cache under its digest. Archives
// of the same name that were not asked for lately are removed.
func Write(image Image) (Archive, error) {
	built, err := image.build()
	if err != nil {
		return Archive{}, err
	}
	digest, err := built.Digest()
	if err != nil {
		return Archive{}, fmt.Errorf("compute the digest of %s: %w", image.Ref, err)
	}
	cache, err := assets.Cache()
	if err != nil {
		return Archive{}, err
	}
	dir := filepath.Join(cache, "images", strings.NewReplacer("/", "_", ":", "_").Replace(image.Ref))
	archive := Archive{Ref: image.Ref, Digest: digest.String(), Path: filepath.Join(dir, digest.Hex+".tar")}
	unlock, err := lockfile.Acquire(io.Discard, dir+".lock")
	if err != nil {
		return Archive{}, err
	}
	defer unlock()
	now := time.Now()
	if err := os.Chtimes(archive.Path, now, now); err == nil {
		return archive, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Archive{}, fmt.Errorf("create the folder of %s: %w", image.Ref, err)
	}
	if err := writeArchive(archive, built); err != nil {
		return Archive{}, err
	}
	return archive, removeUnused(dir, now.Add(-keepUnused))
}

// removeUnused removes what was last asked for before a time.
func removeUnused(dir string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list old archives: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("list old archives: %w", err)
		}
		if info.ModTime().Before(before) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return fmt.Errorf("remove an old archive: %w", err)
			}
		}
	}
	return nil
}

// writeArchive writes the layout into a folder beside the archive first, and
// puts the file in its place by a rename.
func writeArchive(archive Archive, image v1.Image) (err error) {
	partial, err := os.MkdirTemp(filepath.Dir(archive.Path), ".partial-")
	if err != nil {
		return fmt.Errorf("create a folder for %s: %w", archive.Ref, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	tree := filepath.Join(partial, "layout")
	index, err := layout.Write(tree, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("write the layout of %s: %w", archive.Ref, err)
	}
	// The names by which containerd's import and other tools find the image.
	names := map[string]string{
		"io.containerd.image.name":          archive.Ref,
		"org.opencontainers.image.ref.name": archive.Ref,
	}
	if err := index.AppendImage(image, layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("write the layout of %s: %w", archive.Ref, err)
	}
	file := filepath.Join(partial, "archive.tar")
	if err := writeTar(file, os.DirFS(tree)); err != nil {
		return fmt.Errorf("write the archive of %s: %w", archive.Ref, err)
	}
	return os.Rename(file, archive.Path)
}

func writeTar(path string, tree fs.FS) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	out := tar.NewWriter(file)
	return errors.Join(out.AddFS(tree), out.Close(), file.Close())
}
