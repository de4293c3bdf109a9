package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// teamsOfACluster are two namespaces with a Service each.
const teamsOfACluster = `
apiVersion: v1
kind: Namespace
metadata: {name: sky, labels: {team: blue}}
---
apiVersion: v1
kind: Namespace
metadata: {name: rose, labels: {team: red}}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: sky}
spec: {clusterIP: 10.0.0.10, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: rose}
spec: {clusterIP: 10.0.0.20, ports: [{name: http, port: 8080}]}
`

// homes are the namespaces of the Services for which an Envoy holds clusters.
func homes(c *adsclient.Client) (out []string) {
	for name := range c.Holds[resource.Cluster] {
		if strings.HasPrefix(name, "outbound|8080||") {
			out = append(out, strings.Split(name, ".")[1])
		}
	}
	slices.Sort(out)
	return out
}

// TestTwoDiscoveriesShareACluster runs one for each of two teams.
func TestTwoDiscoveriesShareACluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mesh-blue", "mesh-red")
	c.apply(t, teamsOfACluster)
	c.apply(t, lonelyRoute)
	start := func(team, node string) (*running, *envoy) {
		file := filepath.Join(t.TempDir(), team+".yaml")
		text := "rootNamespace: mesh-" + team + "\nrootNamespaces: [mesh-" + team + "]\ndiscoverySelectors:\n- matchLabels: {team: " + team + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, e := c.discover(t, "--mesh-config", file), newEnvoy(t, node)
		e.connect(t, r)
		return r, e
	}
	_, blue := start("blue", "sidecar~10.244.0.1~front-1.sky~sky.svc.cluster.local")
	_, red := start("red", "sidecar~10.244.0.2~back-1.rose~rose.svc.cluster.local")
	has := func(e *envoy, want ...string) {
		t.Helper()
		e.await(t, "clusters of "+strings.Join(want, ", "), func(client *adsclient.Client) bool {
			return slices.Equal(homes(client), want)
		})
	}
	has(blue, "sky")
	has(red, "rose")
	// To red, what is blue's does not exist.
	if reason, _ := c.condition(t, "VirtualService", "rose/all", "Warning", "True"); reason != "HostNotFound" {
		t.Errorf("the reason is %s", reason)
	}

	c.apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: rose, labels: {team: blue}}}")
	has(blue, "rose", "sky")
	has(red)
	c.apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: rose, labels: {team: red}}}")
	has(blue, "sky")
	has(red, "rose")
}
