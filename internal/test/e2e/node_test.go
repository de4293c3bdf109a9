//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodReachesAServiceByName(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "client"}, App{Name: "server", Replicas: 2})
	pods := map[string]int{}
	for _, result := range cluster.Get(t, namespace, "deployment/client", "-n", "40", "-fresh",
		"http://server."+namespace+".svc.cluster.local:8080/hello") {
		if result.Status != http.StatusOK || result.Body.Path != "/hello" {
			t.Errorf("result %+v, want 200 for /hello", result)
		}
		pods[result.Body.Pod]++
	}
	if len(pods) != 2 {
		t.Errorf("requests by Pod: %v, want both of the Service", pods)
	}
	greeting := cluster.Kubectl(t, "--namespace", namespace, "exec", "deployment/client", "--",
		"/usr/local/bin/app", "greet", "server:9000")
	if !strings.HasPrefix(greeting, "hello from server-") {
		t.Errorf("greeting %q, want the server's", greeting)
	}
}

func TestPodReachesItselfThroughItsService(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "only"})
	result := cluster.Get(t, namespace, "deployment/only", "http://only:8080/")[0]
	if result.Status != http.StatusOK {
		t.Errorf("result %+v, want 200", result)
	}
}

func TestServerSeesThePodsOwnAddress(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "client"}, App{Name: "server"})
	pods, err := cluster.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=client"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("list the client's Pods: %v, %v", pods, err)
	}
	result := cluster.Get(t, namespace, "deployment/client", "http://server:8080/")[0]
	if want := pods.Items[0].Status.PodIP + ":"; !strings.HasPrefix(result.Body.Peer, want) {
		t.Errorf("the server saw %s, want the client's %s", result.Body.Peer, want)
	}
}

func TestMachineReachesPodsServicesAndNodePorts(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "server"})
	cluster.Kubectl(t, "--namespace", namespace, "patch", "service", "server", "--patch", `{"spec":{"type":"NodePort"}}`)
	service, err := cluster.Client.CoreV1().Services(namespace).Get(t.Context(), "server", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods, err := cluster.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("list Pods: %v, %v", pods, err)
	}
	for what, address := range map[string]string{
		"Pod":      pods.Items[0].Status.PodIP + ":8080",
		"Service":  service.Spec.ClusterIP + ":8080",
		"NodePort": fmt.Sprintf("%s:%d", pods.Items[0].Status.HostIP, service.Spec.Ports[0].NodePort),
	} {
		// kube-proxy takes a moment to know the port.
		cluster.Eventually(t, func() error {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			defer response.Body.Close() //nolint:errcheck // only the status counts
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", what, response.Status)
			}
			return nil
		})
	}
}

// The API server calls webhooks from the node's own network.
func TestNodeReachesAService(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "server"})
	service, err := cluster.Client.CoreV1().Services(namespace).Get(t.Context(), "server", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cluster.Apply(t, namespace, `
apiVersion: v1
kind: Pod
metadata: {name: node, labels: {app: node}}
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
  - {name: app, image: "`+AppImage+`", imagePullPolicy: Never, args: [get, "http://`+service.Spec.ClusterIP+`:8080/"]}
`)
	cluster.Kubectl(t, "--namespace", namespace, "wait", "pod/node", "--for=jsonpath={.status.phase}=Succeeded", "--timeout", Timeout.String())
	if printed := cluster.Kubectl(t, "--namespace", namespace, "logs", "node"); !strings.Contains(printed, `"status":200`) {
		t.Errorf("the node got %q, want an answer of the Service", printed)
	}
}

func TestImageOfMeshwrightRunsBothPrograms(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Apply(t, namespace, `
apiVersion: v1
kind: Pod
metadata: {name: envoy, labels: {app: envoy}}
spec:
  restartPolicy: Never
  containers:
  - {name: envoy, image: "docker.io/meshwright/meshwright:v0.1.0", imagePullPolicy: Never, command: [/usr/local/bin/envoy, --version]}
  - {name: meshwright, image: "docker.io/meshwright/meshwright:v0.1.0", imagePullPolicy: Never, args: [version]}
  securityContext: {runAsNonRoot: true}
`)
	cluster.Kubectl(t, "--namespace", namespace, "wait", "pod/envoy", "--for=jsonpath={.status.phase}=Succeeded", "--timeout", Timeout.String())
	for container, want := range map[string]string{"envoy": "1.40.0/Clean/RELEASE/BoringSSL", "meshwright": "v0.1.0"} {
		if printed := cluster.Kubectl(t, "--namespace", namespace, "logs", "envoy", "--container", container); !strings.Contains(printed, want) {
			t.Errorf("%s printed %q, want %q", container, printed, want)
		}
	}
}

func TestNativeSidecarDoesNotKeepAJob(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	namespace := cluster.Namespace(t)
	cluster.Apply(t, namespace, `
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    metadata: {labels: {app: job}}
    spec:
      restartPolicy: Never
      initContainers:
      - {name: sidecar, image: "`+AppImage+`", imagePullPolicy: Never, args: [serve], restartPolicy: Always,
         startupProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}}
      containers:
      - {name: app, image: "`+AppImage+`", imagePullPolicy: Never, args: [get, "http://127.0.0.1:8080/"]}
`)
	cluster.Kubectl(t, "--namespace", namespace, "wait", "job/job", "--for=condition=Complete", "--timeout", Timeout.String())
	if printed := cluster.Kubectl(t, "--namespace", namespace, "logs", "job/job", "--container", "app"); !strings.Contains(printed, `"status":200`) {
		t.Errorf("the application printed %q, want an answer of its sidecar", printed)
	}
}

func TestNodeHasAZoneAndNoWayOut(t *testing.T) {
	t.Parallel()
	cluster := Connect(t)
	nodes, err := cluster.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 1 {
		t.Fatalf("list nodes: %v, %v", nodes, err)
	}
	if zone := nodes.Items[0].Labels["topology.kubernetes.io/zone"]; zone != "zone-1" {
		t.Errorf("zone %q, want zone-1", zone)
	}
	namespace := cluster.Namespace(t)
	cluster.Deploy(t, namespace, App{Name: "client"})
	result := cluster.Get(t, namespace, "deployment/client", "http://192.0.2.1/")[0]
	if !strings.Contains(result.Error, "unreachable") {
		t.Errorf("result %+v, want that the network is unreachable", result)
	}
}
