package apiserver

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	istionetworkingv1 "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	istio "istio.io/client-go/pkg/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

var server *Server

func TestMain(m *testing.M) {
	os.Exit(Main(m, &server, WithIstioCRDs(), WithAudit()))
}

func TestIstioObjectIsStoredAsGiven(t *testing.T) {
	t.Parallel()
	client := istio.NewForConfigOrDie(server.Config).NetworkingV1().VirtualServices("default")
	object := &networkingv1.VirtualService{
		ObjectMeta: metav1.ObjectMeta{Name: "reviews"},
		Spec:       istionetworkingv1.VirtualService{Hosts: []string{"reviews"}, ExportTo: []string{"*"}},
	}
	if _, err := client.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(t.Context(), "reviews", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object.Spec.Hosts, got.Spec.Hosts); diff != "" {
		t.Error(diff)
	}
}

func TestKubeconfigConnects(t *testing.T) {
	t.Parallel()
	config, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	version, err := kubernetes.NewForConfigOrDie(config).Discovery().ServerVersion()
	if err != nil || version.GitVersion != "v1.36.3" {
		t.Errorf("server version %v, %v, want v1.36.3", version, err)
	}
}

func TestWritesHoldsOnlyWhatChangedSomething(t *testing.T) {
	t.Parallel()
	ctx, namespace := t.Context(), "writes"
	client := kubernetes.NewForConfigOrDie(server.Config)
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	apply := func(value string, dryRun ...string) {
		t.Helper()
		patch := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"key":"` + value + `"}}`
		options := metav1.PatchOptions{FieldManager: "test", DryRun: dryRun}
		if _, err := maps.Patch(ctx, "a", types.ApplyPatchType, []byte(patch), options); err != nil {
			t.Fatal(err)
		}
	}
	apply("1", metav1.DryRunAll)
	apply("1")
	apply("1") // changes nothing
	apply("2")
	if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Fatalf("create of an existing object: %v, want that it exists", err)
	}
	if err := maps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"patch", "patch", "delete"}
	got := waitForVerbs(ctx, t, namespace, len(want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// waitForVerbs are the verbs of the writes to ConfigMaps of a namespace once
// there are count of them: the record is written a moment after the answer.
func waitForVerbs(ctx context.Context, t *testing.T, namespace string, count int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var verbs []string
		for _, write := range server.Writes(t) {
			if write.Namespace == namespace && write.Resource == "configmaps" {
				verbs = append(verbs, write.Verb)
			}
		}
		if len(verbs) >= count || ctx.Err() != nil {
			return slices.Clip(verbs)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	var paths []string
	t.Run("a server of its own", func(t *testing.T) {
		own := Start(t)
		control := &own.environment.ControlPlane
		paths = []string{control.Etcd.DataDir, control.GetAPIServer().CertDir}
		for _, path := range paths {
			if !inUse(t, path) {
				t.Errorf("no process of the running server has %s: the check after its end would prove nothing", path)
			}
		}
		paths = append(paths, own.dir)
	})
	for _, path := range paths {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("folder %s after the end: %v, want that it is gone", path, err)
		}
		if inUse(t, path) {
			t.Errorf("a process with %s runs after the end", path)
		}
	}
}

// inUse says whether the command line of a running process has path in it.
func inUse(t *testing.T, path string) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(lines, func(line string) bool {
		text, err := os.ReadFile(line)
		return err == nil && bytes.Contains(text, []byte(path)) // a process that ended is no error
	})
}
