package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/view"
)

const shop = `
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec:
  clusterIP: 10.0.0.1
  selector: {app: back}
  ports: [{name: http, port: 80, targetPort: web}, {name: tcp, port: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: also, namespace: shop}
spec:
  clusterIP: 10.0.0.2
  selector: {app: back, version: v1}
  ports: [{name: grpc, port: 81, targetPort: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: other}
spec: {clusterIP: 10.0.0.3, selector: {app: back}, ports: [{name: http, port: 82}]}
---
apiVersion: v1
kind: Pod
metadata: {name: back-1, namespace: shop, labels: {app: back, version: v1}}
spec:
  serviceAccountName: back
  nodeName: n1
  containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]
status: {phase: Running, podIP: 10.1.0.1}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z}}
`

func TestFactsOf(t *testing.T) {
	t.Parallel()
	m := meshtest.ReadText(t, shop)
	live := mesh.Proxy{
		Type: mesh.ProxySidecar, Namespace: "shop", Pod: "back-1", ServiceAccount: "claimed",
		Labels: map[string]string{"app": "claimed"}, Locality: "claimed",
	}
	claimed := mesh.Proxy{
		Type: mesh.ProxySidecar, Namespace: "shop", Pod: "on-a-laptop", ServiceAccount: "dev",
		Labels: map[string]string{"app": "back"}, Locality: "r/z/",
	}
	tests := map[string]struct {
		proxy mesh.Proxy
		want  map[mesh.Fact]string
	}{
		"a pod is what the API server says": {live, map[mesh.Fact]string{
			{Kind: mesh.FactType}:                  "sidecar",
			{Kind: mesh.FactNamespace}:             "shop",
			{Kind: mesh.FactServiceAccount}:        "back",
			{Kind: mesh.FactLocality}:              "r/z/",
			{Kind: mesh.FactLabel, Arg: "app"}:     "back",
			{Kind: mesh.FactLabel, Arg: "version"}: "v1",
			{Kind: mesh.FactLabel, Arg: "x"}:       "",
			// also sorts before back, so its protocol of port 9000 holds.
			{Kind: mesh.FactServed}:            "8080/http,9000/http2",
			{Kind: mesh.FactPort, Arg: "8080"}: "http",
			{Kind: mesh.FactPort, Arg: "80"}:   "",
			{Kind: mesh.FactTarget, Arg: "80"}: "8080",
			{Kind: mesh.FactTarget, Arg: "81"}: "9000",
			{Kind: mesh.FactTarget, Arg: "82"}: "",
		}},
		"without a pod it is what it claims": {claimed, map[mesh.Fact]string{
			{Kind: mesh.FactServiceAccount}:    "dev",
			{Kind: mesh.FactLocality}:          "r/z/",
			{Kind: mesh.FactLabel, Arg: "app"}: "back",
			// The named port is the pod's to tell.
			{Kind: mesh.FactServed}: "9000/tcp",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := view.FactsOf(m, tc.proxy)
			got := map[mesh.Fact]string{}
			for f := range tc.want {
				got[f] = facts.Fact(f)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}
