package images

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/meshwright/meshwright/internal/test/assets"
)

const (
	// Repository is where all images of ours are named to be. Nothing is ever
	// fetched from there.
	Repository = "docker.io/meshwright/"
	// PauseRef names the image of every Pod's sandbox.
	PauseRef = Repository + "pause:v0.1.0"
	// CoreDNSRef names the image of the cluster's name server.
	CoreDNSRef = Repository + "coredns:v0.1.0"
	// AppRef names the image of the workload of end-to-end tests.
	AppRef = Repository + "app:v0.1.0"
)

// Pause is the image of every Pod's sandbox.
func Pause(ctx context.Context) (Archive, error) {
	return compiled(ctx, program{module: "hack/cluster", pkg: "./pause"}, func(program string) Image {
		return Static(PauseRef, "pause", program)
	})
}

// CoreDNS is the image of the cluster's name server. The program must have been
// built.
func CoreDNS() (Archive, error) {
	program, err := assets.Find("coredns")
	if err != nil {
		return Archive{}, err
	}
	return Write(Static(CoreDNSRef, "coredns", program))
}

// App is the image of the workload of end-to-end tests.
func App(ctx context.Context) (Archive, error) {
	return compiled(ctx, program{module: "hack/cluster", pkg: "./app"}, func(program string) Image {
		return Static(AppRef, "app", program)
	})
}

// Static is an image of one static program, started by its name without
// arguments as user 65532.
func Static(ref, name, program string) Image {
	target := "/usr/local/bin/" + name
	return Image{
		Ref:        ref,
		Layers:     [][]File{base(), {{Path: target, Source: program, Mode: 0o755}}},
		Entrypoint: []string{target},
		User:       "65532:65532",
	}
}

// base are the files that programs expect on any system.
func base() []File {
	return []File{
		{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
		{Path: "/etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/:/sbin/nologin\nmesh:x:1337:1337:mesh:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"},
		{Path: "/etc/group", Mode: 0o644, Content: "root:x:0:\nmesh:x:1337:\nnonroot:x:65532:\n"},
		{Path: "/etc/nsswitch.conf", Mode: 0o644, Content: "hosts: files dns\n"},
		{Path: "/etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Source: "/etc/ssl/certs/ca-certificates.crt"},
	}
}

// program is a Go program of this repository.
type program struct {
	module, pkg string
	// version is stamped into it, where it is not the one in the source.
	version string
	// tags are build tags.
	tags string
}

// compiled builds a program and writes the image that holds it.
func compiled(ctx context.Context, p program, image func(path string) Image) (Archive, error) {
	root, err := assets.Root()
	if err != nil {
		return Archive{}, err
	}
	dir, err := os.MkdirTemp("", "meshwright-image-")
	if err != nil {
		return Archive{}, fmt.Errorf("create a folder to compile in: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	ldflags := "-s -w"
	if p.version != "" {
		ldflags += " -X github.com/meshwright/meshwright/internal/version.version=" + p.version
	}
	path := filepath.Join(dir, "program")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-tags", p.tags, "-ldflags", ldflags, "-o", path, p.pkg)
	build.Dir = filepath.Join(root, p.module)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=", "GOWORK=off")
	if printed, err := build.CombinedOutput(); err != nil {
		return Archive{}, fmt.Errorf("compile %s: %w\n%s", p.pkg, err, printed)
	}
	return Write(image(path))
}
