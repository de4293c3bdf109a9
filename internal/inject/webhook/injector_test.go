package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/inject"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/freeport"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	ctrl.SetLogger(zap.New())
	os.Exit(apiserver.Main(m, &server))
}

const rootCert = "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n"

// world is a cluster in which the operator has installed the mesh's chart, and
// an injector that runs with the rights of its service account.
type world struct {
	clients *kubernetes.Clientset
	config  *inject.Config
	webhook string
}

// newWorld makes the one of the package: the chart's webhooks are asked about
// the pods of the whole server.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clients: kubernetes.NewForConfigOrDie(server.Config), config: chartConfig(t)}
	w.installAccess(t)
	port, httpPort := freeport.Take(t), freeport.Take(t)

	config := chartWebhooks(t)
	w.webhook = config.Name
	for i := range config.Webhooks {
		// The API server has no way to a Service here; all else is the chart's.
		config.Webhooks[i].ClientConfig = admissionregistrationv1.WebhookClientConfig{
			URL: ptr.To(fmt.Sprintf("https://localhost:%d%s", port, Path)),
		}
	}
	webhooks := w.clients.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := webhooks.Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	connection := rest.CopyConfig(server.Config)
	connection.Impersonate.UserName = "system:serviceaccount:mesh-system:meshwright-injector"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- Run(ctx, connection, Options{
			Config: w.config, WebhookName: w.webhook, Service: "localhost",
			Listen: fmt.Sprintf("127.0.0.1:%d", port), HTTPAddress: fmt.Sprintf("127.0.0.1:%d", httpPort),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the injector ended with %v", err)
		}
	})
	eventually(t, "the injector is ready", func() (bool, string) {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", httpPort)) //nolint:noctx // bounded by eventually
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK, response.Status
	})
	return w
}

// installAccess gives the injector what the operator's chart gives it.
func (w *world) installAccess(t *testing.T) {
	t.Helper()
	objects, err := plan.Operator("mesh-operator", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		switch o.GetKind() {
		case "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding":
			if strings.HasPrefix(o.GetNamespace(), "mesh-operator") {
				continue
			}
			if err := c.Create(t.Context(), o); err != nil {
				t.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
}

func (w *world) namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := w.clients.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// create asks the API server what it would make of the pod.
func (w *world) create(ctx context.Context, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = namespace
	return w.clients.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

func (w *world) writeRoot(t *testing.T) {
	t.Helper()
	root := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: RootConfigMap}, Data: map[string]string{RootKey: rootCert}}
	if _, err := w.clients.CoreV1().ConfigMaps(w.config.MeshNamespace).Create(t.Context(), root, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// One story, told in order: the steps share the one cluster-wide webhook.
func TestInjector(t *testing.T) {
	w := newWorld(t)
	w.namespace(t, "plain", nil)
	w.namespace(t, "shop", map[string]string{"istio-injection": "enabled"})
	plain := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{
		ServiceAccountName: "default", Containers: []corev1.Container{{Name: "a", Image: "example/a"}},
	}}

	t.Run("a pod is refused while the root bundle is missing", func(t *testing.T) {
		want := "ConfigMap mesh-system/meshwright-ca-root, key root-cert.pem: the mesh's root certificate is missing"
		eventually(t, want, func() (bool, string) {
			_, err := w.create(t.Context(), "shop", plain)
			return err != nil && strings.Contains(err.Error(), want), fmt.Sprint(err)
		})
	})
	w.writeRoot(t)
	eventually(t, "pods are injected once it is there", func() (bool, string) {
		_, err := w.create(t.Context(), "shop", plain)
		return err == nil, fmt.Sprint(err)
	})
	w.openPolicy(t)
	t.Run("all doors give equal pods, byte by byte", w.testEqualDoors)
	t.Run("all doors refuse the same pods with the same words", w.testEqualRefusals)
	t.Run("a policy asks for Istio's labels with Istio's precedence", w.testPolicyPrecedence)
	t.Run("a pod of a namespace without label stays as it is", func(t *testing.T) {
		got, err := w.create(t.Context(), "plain", plain)
		if err != nil || len(got.Spec.InitContainers) > 0 || len(got.Annotations) > 0 {
			t.Errorf("got %v, error %v", got, err)
		}
	})
	t.Run("a bad annotation is refused with what is wrong and how to mend it", func(t *testing.T) {
		bad := plain.DeepCopy()
		bad.Annotations = map[string]string{"traffic.sidecar.istio.io/excludeOutboundPorts": "mysql"}
		_, err := w.create(t.Context(), "shop", bad)
		want := `annotation traffic.sidecar.istio.io/excludeOutboundPorts: "mysql" in "mysql" is not a port; give numbers from 1 to 65535`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	})
	t.Run("a caBundle that somebody removed or replaced comes back", w.testRepair)
	t.Run("the injector owns nothing of its configuration but the caBundle", w.testOwnership)
}

// manifest is the pod as YAML, without what differs from one creation to the
// next.
func manifest(t *testing.T, pod *corev1.Pod) []byte {
	t.Helper()
	pod = pod.DeepCopy()
	if pod.GenerateName != "" {
		pod.Name = ""
	}
	pod.ObjectMeta = metav1.ObjectMeta{
		Name: pod.Name, GenerateName: pod.GenerateName, OwnerReferences: pod.OwnerReferences,
		Namespace: "shop", Labels: pod.Labels, Annotations: pod.Annotations,
	}
	pod.APIVersion, pod.Kind = "v1", "Pod"
	pod.Status = corev1.PodStatus{}
	out, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) get(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	config, err := w.clients.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), w.webhook, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func (w *world) testRepair(t *testing.T) {
	config := w.get(t)
	want := config.Webhooks[0].ClientConfig.CABundle
	stranger, err := newAuthority(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	config.Webhooks[0].ClientConfig.CABundle = nil
	config.Webhooks[1].ClientConfig.CABundle = stranger.cert
	_, err = w.clients.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(t.Context(), config, metav1.UpdateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "every webhook has the caBundle", func() (bool, string) {
		for _, webhook := range w.get(t).Webhooks {
			if !bytes.Equal(webhook.ClientConfig.CABundle, want) {
				return false, fmt.Sprintf("webhook %s has %q", webhook.Name, webhook.ClientConfig.CABundle)
			}
		}
		return true, ""
	})
}

func (w *world) testOwnership(t *testing.T) {
	var owned string
	for _, entry := range w.get(t).ManagedFields {
		if entry.Manager == FieldManager {
			owned += string(entry.FieldsV1.Raw)
		}
	}
	for _, webhook := range w.get(t).Webhooks {
		part := fmt.Sprintf(`"k:{\"name\":\"%s\"}":{"f:clientConfig":{"f:caBundle":{}}}`, webhook.Name)
		if !strings.Contains(owned, part) {
			t.Errorf("owned fields %s do not hold %s", owned, part)
		}
		owned = strings.Replace(owned, part, "", 1)
	}
	if rest := strings.Trim(owned, `{}",:f`); rest != "webhooks" {
		t.Errorf("owns more: %s", rest)
	}
}

// eventually polls until the condition holds; it fails with the last reason.
func eventually(t *testing.T, what string, condition func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		ok, reason := condition()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it never came true; at last %s", what, reason)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
