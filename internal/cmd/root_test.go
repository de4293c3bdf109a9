package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A process of its own, because the name of the file is what it is about.
func TestHelpSpeaksOfThePluginWhenRunAsOne(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		file string
		args []string
		says []string
		not  string
	}{
		"the command":             {"meshwright", []string{"--help"}, []string{"  meshwright [command]", `Use "meshwright [command] --help"`}, "kubectl meshwright"},
		"the plugin":              {pluginName, []string{"--help"}, []string{"  kubectl meshwright [command]", `Use "kubectl meshwright [command] --help"`}, "  meshwright"},
		"a verb of the command":   {"meshwright", []string{"gather", "--help"}, []string{"  meshwright gather [flags]", "  meshwright gather -o"}, "kubectl meshwright"},
		"a verb of the plugin":    {pluginName, []string{"gather", "--help"}, []string{"  kubectl meshwright gather [flags]", "  kubectl meshwright gather -o"}, "  meshwright"},
		"an example with a pipe":  {pluginName, []string{"check", "--help"}, []string{"| kubectl meshwright check"}, "| meshwright"},
		"the version of a plugin": {pluginName, []string{"--version"}, []string{"kubectl meshwright version v"}, "\nmeshwright"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), tc.file)
			if err := os.Symlink(binary, file); err != nil {
				t.Fatal(err)
			}
			c := exec.Command(file, tc.args...)
			c.Env = append(os.Environ(), "MESHWRIGHT_TEST_RUN=1")
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			for _, part := range tc.says {
				if !strings.Contains(string(out), part) {
					t.Errorf("it lacks %q:\n%s", part, out)
				}
			}
			if strings.Contains(string(out), tc.not) {
				t.Errorf("it has %q:\n%s", tc.not, out)
			}
		})
	}
}
