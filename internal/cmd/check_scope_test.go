package cmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	look := func(args ...string) string {
		t.Helper()
		out, err := runCommand(t, append(args, "--kubeconfig", c.Kubeconfig)...)
		if err != nil {
			out += err.Error()
		}
		return out
	}
	// Before there is a mesh the whole cluster is looked at.
	if got := look("check"); got != "" {
		t.Errorf("check found %s", got)
	}
	if err := c.InstallCRDs("../../charts/operator/crds"); err != nil {
		t.Fatal(err)
	}
	c.apply(t, twoInstalls)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"it must be chosen":                   {[]string{"check"}, "there are several MeshInstalls: blue, red; choose one with --install"},
		"one that does not exist":             {[]string{"check", "--install", "green"}, "there is no MeshInstall green; there are: blue, red"},
		"what is another's does not exist":    {[]string{"check", "--install", "red"}, `no Service "front" exists in namespace "sky"`},
		"another's objects are not looked at": {[]string{"check", "--install", "blue"}, ""},
		"the status of one":                   {[]string{"status", "red"}, "MeshInstall red"},
		"the status of one that is not there": {[]string{"status", "red", "green"}, "there is no MeshInstall green; there are: blue, red"},
	} {
		t.Run(name, func(t *testing.T) {
			got := look(tc.args...)
			if !strings.Contains(got, tc.want) || tc.want == "" && got != "" || strings.Contains(got, "MeshInstall blue") {
				t.Error(cmp.Diff(tc.want, got))
			}
		})
	}
}
