package assets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryProgramIsInTheCacheAndRuns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string // in what the program prints
	}{
		"kubectl":                 {args: []string{"version", "--client"}, want: "v1.36.3"},
		"kube-apiserver":          {args: []string{"--version"}, want: "v1.36.3"},
		"kube-controller-manager": {args: []string{"--version"}, want: "v1.36.3"},
		"kube-scheduler":          {args: []string{"--version"}, want: "v1.36.3"},
		"kube-proxy":              {args: []string{"--version"}, want: "v1.36.3"},
		"kubelet":                 {args: []string{"--version"}, want: "v1.36.3"},
		"etcd":                    {args: []string{"--version"}, want: "etcd Version: 3.6"},
		"envoy":                   {args: []string{"--version"}, want: "1.40.0/Clean/RELEASE/BoringSSL"},
	}
	for program, test := range tests {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(Path(t, program), test.args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.want) {
				t.Errorf("%s %v: %v, printed %q, want %q in it", program, test.args, err, out, test.want)
			}
		})
	}
}

func TestKeyFollowsTheSource(t *testing.T) {
	t.Parallel()
	key := func(group Group, files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := group.key(dir)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	group := Group{Name: "a"}
	base := key(group, map[string]string{"go.mod": "module a", "main.go": "package main"})
	tests := map[string]struct {
		got  string
		same bool
	}{
		"the same files in another folder have the same key": {key(group, map[string]string{"go.mod": "module a", "main.go": "package main"}), true},
		"a changed file changes the key":                     {key(group, map[string]string{"go.mod": "module b", "main.go": "package main"}), false},
		"a renamed file changes the key":                     {key(group, map[string]string{"go.mod": "module a", "kube.go": "package main"}), false},
		"a changed linker flag changes the key":              {key(Group{Name: "a", LDFlags: "-s"}, map[string]string{"go.mod": "module a", "main.go": "package main"}), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if (test.got == base) != test.same {
				t.Errorf("key %s, base %s, want same: %t", test.got, base, test.same)
			}
		})
	}
}

func TestFindNamesWhatIsMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := Find("envoy"); err == nil || !strings.Contains(err.Error(), "run `make assets`") {
		t.Errorf("Find of an unbuilt program: %v, want the advice to run make assets", err)
	}
	if _, err := Find("mosaic"); err == nil || !strings.Contains(err.Error(), "no such asset") {
		t.Errorf("Find of an unknown program: %v, want no such asset", err)
	}
}
