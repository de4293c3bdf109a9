package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	if os.Getenv(inVain) != "" {
		openInVain()
	}
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

// inVain in the environment makes this program open a server and wait to be
// killed.
const inVain = "MESHWRIGHT_TEST_IN_VAIN"

func openInVain() {
	own, err := Open()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	control := &own.environment.ControlPlane
	fmt.Println(own.dir, control.Etcd.DataDir, control.GetAPIServer().CertDir)
	select {}
}

func TestKilledProcessLeavesNoProgram(t *testing.T) {
	t.Parallel()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), inVain+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(output).ReadString('\n')
	paths := strings.Fields(line)
	for _, path := range paths {
		t.Cleanup(func() { _ = os.RemoveAll(path) })
	}
	running := len(paths) == 3 && inUse(t, paths[1]) && inUse(t, paths[2])
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	if !running {
		t.Fatalf("no server ran, so its end proves nothing: it said %q, %v", line, readErr)
	}
	for end := time.Now().Add(time.Minute); inUse(t, paths[1]) || inUse(t, paths[2]); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("etcd or kube-apiserver outlives the process that started it")
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
