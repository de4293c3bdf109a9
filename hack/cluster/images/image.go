package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image says what an image holds and how it runs.
type Image struct {
	// Ref is the full name with tag, as containerd writes it:
	// docker.io/meshwright/meshwright:v0.1.0.
	Ref string
	// Layers go from what changes least to what changes most: a node that has a
	// layer does not unpack it again.
	Layers [][]File
	// Entrypoint is the command; arguments of a Pod follow it.
	Entrypoint []string
	// User is the numeric user and group, such as 1337:1337; empty is root.
	User string
	// Env are variables in the form NAME=value.
	Env []string
}

// File is one file or folder of an image.
type File struct {
	// Path is absolute. Folders above it need no entry of their own.
	Path string
	// Source is the file on this machine whose bytes are taken; if it is empty,
	// Content is.
	Source  string
	Content string
	// Mode has the permission bits, and os.ModeDir and os.ModeSticky.
	Mode os.FileMode
}

// build makes the image. Layers are not compressed: they only ever travel
// within one machine.
func (i Image) build() (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range i.Layers {
		layer, err := layerOf(files)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, fmt.Errorf("append a layer to %s: %w", i.Ref, err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", i.Ref, err)
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = "amd64", "linux"
	config.Config = v1.Config{Entrypoint: i.Entrypoint, User: i.User, Env: i.Env}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, fmt.Errorf("configure %s: %w", i.Ref, err)
	}
	return image, nil
}

func layerOf(files []File) (v1.Layer, error) {
	var layer bytes.Buffer
	if err := writeLayer(&layer, files); err != nil {
		return nil, err
	}
	return static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer), nil
}

// writeLayer writes files, sorted, with the folders above them, owned by root
// and dated 1970.
func writeLayer(out io.Writer, files []File) error {
	archive := tar.NewWriter(out)
	written := map[string]bool{"/": true}
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, file := range sorted {
		for _, folder := range foldersAbove(file.Path) {
			if written[folder] {
				continue
			}
			written[folder] = true
			if err := writeFile(archive, File{Path: folder, Mode: os.ModeDir | 0o755}); err != nil {
				return err
			}
		}
		written[file.Path] = true
		if err := writeFile(archive, file); err != nil {
			return err
		}
	}
	return archive.Close()
}

func foldersAbove(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "/"; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

func writeFile(archive *tar.Writer, file File) (err error) {
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(file.Path, "/"),
		Mode:     int64(file.Mode.Perm()),
		ModTime:  time.Unix(0, 0),
		Format:   tar.FormatPAX,
	}
	if file.Mode&os.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	if file.Mode.IsDir() {
		header.Typeflag = tar.TypeDir
		header.Name += "/"
		return archive.WriteHeader(header)
	}
	var content io.Reader = strings.NewReader(file.Content)
	header.Size = int64(len(file.Content))
	if file.Source != "" {
		source, err := os.Open(file.Source)
		if err != nil {
			return fmt.Errorf("open a file of the image: %w", err)
		}
		defer func() { err = errors.Join(err, source.Close()) }()
		info, err := source.Stat()
		if err != nil {
			return fmt.Errorf("measure a file of the image: %w", err)
		}
		content, header.Size = source, info.Size()
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("write %s into a layer: %w", file.Path, err)
	}
	if _, err := io.Copy(archive, content); err != nil {
		return fmt.Errorf("write %s into a layer: %w", file.Path, err)
	}
	return nil
}
