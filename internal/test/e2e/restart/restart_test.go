//go:build e2e

package restart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

// world is what the tests share: a caller in the mesh and one outside.
type world struct {
	*e2e.Cluster
	// all is the test of which each other one is a part; it outlives their cleanup.
	all             *testing.T
	inside, outside string
}

const (
	caller   = "deployment/caller"
	stranger = "deployment/stranger"
)

func TestRestart(t *testing.T) {
	w := &world{Cluster: e2e.Connect(t), all: t}
	w.InstallMesh(t)
	w.inside, w.outside = w.Namespace(t, "istio-injection=enabled"), w.Namespace(t)
	w.Deploy(t, w.outside, e2e.App{Name: "stranger"})
	w.Deploy(t, w.inside, e2e.App{Name: "caller"})
	// What one machine bears at a time.
	for _, tests := range []map[string]func(*testing.T, *world){{
		"servers that end in order are replaced":    func(t *testing.T, w *world) { testRollout(t, w, "now") },
		"servers that are clients too are replaced": testMiddle,
		"the gateway is replaced":                   testGateway,
	}, {
		"servers that exit at once are replaced":    func(t *testing.T, w *world) { testRollout(t, w, "exit") },
		"servers that exit at once are scaled down": testScaleDown,
	}, {
		"a server is deleted while the control plane is away": testNoControlPlane,
	}} {
		t.Run("together", func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, w)
				})
			}
		})
	}
}

// server deploys a Service and its pods, which end as stop says (hack/cluster/app).
func (w *world) server(t *testing.T, name, stop string, replicas int) {
	t.Helper()
	w.Apply(t, w.inside, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: %[1]s}
  ports:
  - {name: http, port: 8080}
  - {name: grpc, port: 8081}
  - {name: tcp-echo, port: 9001}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - name: app
        image: %[4]s
        imagePullPolicy: Never
        args: [serve]
        env: [{name: STOP, value: %[2]s}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 5m, memory: 16Mi}}
`, name, stop, replicas, e2e.AppImage))
	w.WaitRollout(t, w.inside, "deployment/"+name)
}

// ways are those of load, to one Service. Streams that run and connections that
// are kept are the server's to end: one that exits at once cuts them, in a mesh
// or not.
func ways(name, stop string) []load {
	out := []load{
		{"http", name + ":8080"}, {"fresh", name + ":8080"}, {"grpc", name + ":8081"}, {"tcp", name + ":9001"},
	}
	if stop != "exit" {
		out = append(out, load{"stream", name + ":8081"}, load{"kept", name + ":9001"})
	}
	return out
}

func (w *world) restart(t *testing.T, namespace, workload string) {
	t.Helper()
	w.Kubectl(t, "--namespace", namespace, "rollout", "restart", workload)
	w.WaitRollout(t, namespace, workload)
}

func testRollout(t *testing.T, w *world, stop string) {
	name := "back-" + stop
	w.server(t, name, stop, 2)
	loads := ways(name, stop)
	noneLost(t, loads, w.under(t, w.inside, caller, loads, func() { w.restart(t, w.inside, "deployment/"+name) }))
}

func testScaleDown(t *testing.T, w *world) {
	w.server(t, "shrink", "exit", 3)
	loads := ways("shrink", "exit")
	noneLost(t, loads, w.under(t, w.inside, caller, loads, func() {
		w.Kubectl(t, "--namespace", w.inside, "scale", "deployment/shrink", "--replicas=1")
		w.Eventually(t, func() error {
			if pods := strings.Fields(w.Kubectl(t, "--namespace", w.inside, "get", "pods", "--selector", "app=shrink", "--output", "name")); len(pods) != 1 {
				return fmt.Errorf("there are %v", pods)
			}
			return nil
		})
	}))
}

func testMiddle(t *testing.T, w *world) {
	w.server(t, "back", "exit", 2)
	w.server(t, "front", "now", 1)
	loads := []load{{"http", "front:8080/?via=back:8080"}, {"fresh", "front:8080/?via=back:8080"}}
	noneLost(t, loads, w.under(t, w.inside, caller, loads, func() { w.restart(t, w.inside, "deployment/front") }))
}

func testGateway(t *testing.T, w *world) {
	w.server(t, "shop", "now", 2)
	w.Apply(t, w.inside, `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: restart}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: restart}
spec:
  hosts: ["*"]
  gateways: [restart]
  http:
  - route: [{destination: {host: shop, port: {number: 8080}}}]
`)
	address := strings.TrimSpace(w.Kubectl(t, "--namespace", e2e.IngressNamespace, "get", "service", "--selector", "istio=ingressgateway",
		"--output", "jsonpath={.items[0].metadata.name}")) + "." + e2e.IngressNamespace + ":80"
	w.Eventually(t, func() error {
		if got := w.Get(t, w.outside, stranger, "http://"+address+"/")[0]; got.Status != 200 {
			return fmt.Errorf("the gateway answers %s", got)
		}
		return nil
	})
	gateway := strings.TrimSpace(w.Kubectl(t, "--namespace", e2e.IngressNamespace, "get", "deployment", "--output", "name"))
	loads := []load{{"http", address + "/"}, {"fresh", address + "/"}}
	noneLost(t, loads, w.under(t, w.outside, stranger, loads, func() { w.restart(t, e2e.IngressNamespace, gateway) }))
}

func testNoControlPlane(t *testing.T, w *world) {
	// One that exits at once may lose what its callers, who were not told, have
	// sent over a connection that they keep.
	w.server(t, "alone", "now", 2)
	operator := []string{"--namespace", e2e.OperatorNamespace, "scale", "deployment/meshwright-operator"}
	w.Kubectl(t, append(operator, "--replicas=0")...)
	w.Kubectl(t, "--namespace", e2e.OperatorNamespace, "wait", "pod", "--all", "--for=delete", "--timeout", e2e.Timeout.String())
	w.Kubectl(t, "--namespace", e2e.MeshNamespace, "scale", "deployment", "--all", "--replicas=0")
	w.Kubectl(t, "--namespace", e2e.MeshNamespace, "wait", "pod", "--all", "--for=delete", "--timeout", e2e.Timeout.String())
	t.Cleanup(func() {
		w.Kubectl(w.all, append(operator, "--replicas=1")...)
		w.WaitMesh(w.all)
	})
	loads := []load{{"http", "alone:8080"}, {"fresh", "alone:8080"}, {"grpc", "alone:8081"}}
	noneLost(t, loads, w.under(t, w.inside, caller, loads, func() {
		pod := w.Kubectl(t, "--namespace", w.inside, "get", "pods", "--selector", "app=alone", "--output", "jsonpath={.items[0].metadata.name}")
		w.Kubectl(t, "--namespace", w.inside, "delete", "pod", pod)
	}))
}
