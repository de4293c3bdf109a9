package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoInstalls are the meshes of two teams.
const twoInstalls = `
apiVersion: meshwright.io/v1alpha1
kind: MeshInstall
metadata: {name: blue}
spec: {version: v0.1.0, namespace: mesh-blue, tags: [blue], scope: {namespaceSelector: {matchLabels: {team: blue}}}}
---
apiVersion: meshwright.io/v1alpha1
kind: MeshInstall
metadata: {name: red}
spec: {version: v0.1.0, namespace: mesh-red, tags: [red], scope: {namespaceSelector: {matchLabels: {team: red}}}}
`

// lonelyRoute leads to a service of another team.
const lonelyRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: rose}
spec: {hosts: [back], http: [{route: [{destination: {host: front.sky.svc.cluster.local}}]}]}
`

func TestOneOfSeveralMeshesIsChosenByName(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.apply(t, teamsOfACluster)
	c.apply(t, lonelyRoute)
	file := filepath.Join(t.TempDir(), "route.yaml")
	if err := os.WriteFile(file, []byte(lonelyRoute), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(args ...string) string {
		t.Helper()
		out, err := runCommand(t, append(args, "--kubeconfig", c.Kubeconfig)...)
		if err != nil {
			out += err.Error()
		}
		return out
	}
	// Before there is a mesh the whole cluster is looked at.
	if got := look("check", "--cluster", "-f", file); got != "" {
		t.Errorf("check found %s", got)
	}
	if err := c.InstallCRDs("../../charts/operator/crds"); err != nil {
		t.Fatal(err)
	}
	c.apply(t, twoInstalls)
	const fault = `no Service "front" exists in namespace "sky"`
	for name, tc := range map[string]struct {
		args []string
		// has is in what is printed, not is not.
		has, not string
	}{
		"files are checked in the light of one": {[]string{"check", "--cluster", "-f", file}, "there are several MeshInstalls: blue, red; choose one with --install", fault},
		"what is another's does not exist":      {[]string{"check", "--cluster", "-f", file, "--install", "red"}, fault, "several"},
		"a cluster is looked at mesh by mesh":   {[]string{"check"}, fault, "several"},
		"one of them by its name":               {[]string{"check", "--install", "red"}, fault, "blue"},
		"another's objects are not looked at":   {[]string{"check", "--install", "blue"}, "blue: the operator has not looked at it yet", fault},
		"one that does not exist":               {[]string{"check", "--cluster", "-f", file, "--install", "green"}, "there is no MeshInstall green; there are: blue, red", fault},
		"the status of one":                     {[]string{"status", "red"}, "MeshInstall red", "blue"},
		"the status of one that is not there":   {[]string{"status", "red", "green"}, "there is no MeshInstall green; there are: blue, red", "version"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := look(tc.args...); !strings.Contains(got, tc.has) || strings.Contains(got, tc.not) {
				t.Errorf("want %q in it, and not %q:\n%s", tc.has, tc.not, got)
			}
		})
	}
}
