package images

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/test/assets"
	"github.com/meshwright/meshwright/internal/version"
)

// libraries is where Debian keeps the shared libraries of amd64; the loader
// looks there by itself.
const libraries = "/lib/x86_64-linux-gnu"

// ProductRef names the image of Meshwright in a version.
func ProductRef(version string) string { return Repository + "meshwright:" + version }

// Product is the image of Meshwright, with Envoy: every part of the mesh runs
// it. Envoy must have been fetched. The Dockerfile of releases makes the same
// from Envoy's own image.
func Product(ctx context.Context) (Archive, error) {
	return product(ctx, program{module: ".", pkg: ".", version: version.String()})
}

// Upgrades are the images of two versions more, made from the same tree, to
// test updates with: v0.2.0, whose operator carries all three, and v0.2.1,
// whose discovery sends each proxy a cluster that Envoy refuses.
func Upgrades(ctx context.Context) ([]Archive, error) {
	var out []Archive
	for _, p := range []program{
		{module: ".", pkg: ".", version: "v0.2.0", tags: "upgrades"},
		{module: ".", pkg: ".", version: "v0.2.1", tags: "upgrades,faulty"},
	} {
		archive, err := product(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, archive)
	}
	return out, nil
}

func product(ctx context.Context, p program) (Archive, error) {
	envoy, err := assets.Find("envoy")
	if err != nil {
		return Archive{}, err
	}
	needed, err := sharedLibraries(envoy)
	if err != nil {
		return Archive{}, err
	}
	return compiled(ctx, p, func(path string) Image { return productImage(envoy, needed, path, ProductRef(p.version)) })
}

func productImage(envoy string, needed []File, program, ref string) Image {
	return Image{
		Ref: ref,
		Layers: [][]File{
			append(base(), needed...),
			{{Path: "/usr/local/bin/envoy", Source: envoy, Mode: 0o755}},
			{{Path: "/usr/local/bin/meshwright", Source: program, Mode: 0o755}},
		},
		Entrypoint: []string{"/usr/local/bin/meshwright"},
		User:       "1337:1337",
	}
}

// sharedLibraries are the loader and the libraries that a program needs, those
// of its libraries included.
func sharedLibraries(program string) ([]File, error) {
	var files []File
	queue, seen := []string{program}, map[string]bool{}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		loader, needed, err := linksOf(path)
		if err != nil {
			return nil, err
		}
		var paths []string
		for _, name := range needed {
			paths = append(paths, filepath.Join(libraries, name))
		}
		if loader != "" {
			paths = append(paths, loader)
		}
		for _, path := range paths {
			if seen[path] {
				continue
			}
			seen[path] = true
			files = append(files, File{Path: path, Source: path, Mode: 0o755})
			queue = append(queue, path)
		}
	}
	return files, nil
}

// linksOf reads which loader and libraries a program or library names.
func linksOf(path string) (loader string, needed []string, err error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("read the libraries of %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(name, 0); err != nil {
			return "", nil, fmt.Errorf("read the loader of %s: %w", path, err)
		}
		loader = string(name[:max(0, len(name)-1)]) // it ends in a zero byte
	}
	needed, err = file.ImportedLibraries()
	if err != nil {
		return "", nil, fmt.Errorf("read the libraries of %s: %w", path, err)
	}
	// Libraries name the loader too, which is where the program says.
	needed = slices.DeleteFunc(needed, func(name string) bool { return strings.HasPrefix(name, "ld-linux") })
	return loader, needed, nil
}
