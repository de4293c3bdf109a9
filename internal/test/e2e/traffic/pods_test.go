//go:build e2e

package traffic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

const strictNamespace = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`

func testProbes(t *testing.T, w *world) {
	namespace := w.Namespace(w.all, "istio-injection=enabled")
	w.Apply(t, namespace, strictNamespace+`
---
apiVersion: v1
kind: Pod
metadata: {name: probed, labels: {app: probed}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: app
    image: `+e2e.AppImage+`
    imagePullPolicy: Never
    args: [serve]
    ports: [{name: http, containerPort: 8080}]
    startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
    readinessProbe: {tcpSocket: {port: 9000}, periodSeconds: 1}
    livenessProbe: {exec: {command: [/usr/local/bin/app, listening]}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: asked, labels: {app: asked}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: app
    image: `+e2e.AppImage+`
    imagePullPolicy: Never
    args: [serve]
    readinessProbe: {grpc: {port: 8081}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: unwell, labels: {app: unwell}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: app
    image: `+e2e.AppImage+`
    imagePullPolicy: Never
    args: [serve]
    env: [{name: HEALTH, value: bad}]
    readinessProbe: {grpc: {port: 8081}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: unready, labels: {app: unready}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: app
    image: `+e2e.AppImage+`
    imagePullPolicy: Never
    args: [serve]
    readinessProbe: {tcpSocket: {port: 7777}, periodSeconds: 1}
`)
	w.Kubectl(t, "--namespace", namespace, "wait", "pod/probed", "pod/asked", "--for=condition=Ready", "--timeout", e2e.Timeout.String())
	// The proxy accepts every connection; the probe must ask the application.
	for pod, why := range map[string]string{"unready": "listens elsewhere", "unwell": "says by gRPC that it does not serve"} {
		w.Eventually(t, func() error {
			events := w.Kubectl(t, "--namespace", namespace, "get", "events", "--field-selector", "involvedObject.name="+pod+",reason=Unhealthy", "--output", "jsonpath={.items[*].message}")
			if !strings.Contains(events, "Readiness probe failed") {
				return fmt.Errorf("events of the Pod that %s: %q, want a failed probe", why, events)
			}
			return nil
		})
		ready := w.Kubectl(t, "--namespace", namespace, "get", "pod", pod, "--output", `jsonpath={.status.containerStatuses[?(@.name=="app")].ready}`)
		if ready != "false" {
			t.Errorf("the application that %s is ready: %s", why, ready)
		}
	}
	for _, field := range []string{".status.containerStatuses[*].restartCount", ".status.initContainerStatuses[*].restartCount"} {
		if n := w.Kubectl(t, "--namespace", namespace, "get", "pod", "probed", "--output", "jsonpath={"+field+"}"); strings.Trim(n, "0 ") != "" {
			t.Errorf("restarts of the probed Pod's containers: %s, want none", n)
		}
	}
}

func testInitContainerAndJob(t *testing.T, w *world) {
	namespace := w.Namespace(w.all, "istio-injection=enabled")
	url := "http://server." + w.shop + ":8080/"
	w.Apply(t, namespace, fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    metadata: {labels: {app: job}}
    spec:
      restartPolicy: Never
      initContainers:
      - {name: first, image: "%[1]s", imagePullPolicy: Never, args: [get, "%[2]s"]}
      containers:
      - {name: app, image: "%[1]s", imagePullPolicy: Never, args: [get, "%[2]s"]}
`, e2e.AppImage, url))
	w.Kubectl(t, "--namespace", namespace, "wait", "job/job", "--for=condition=Complete", "--timeout", e2e.Timeout.String())
	for _, container := range []string{"first", "app"} {
		printed := w.Kubectl(t, "--namespace", namespace, "logs", "job/job", "--container", container)
		if !strings.Contains(printed, `"status":200`) || !strings.Contains(printed, "spiffe://cluster.local/ns/"+namespace+"/sa/default") {
			t.Errorf("container %s printed %q, want an answer to its ServiceAccount", container, printed)
		}
	}
}
