package cmd

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/version"
)

// partOfMesh are the labels of all that is ours, the operator too.
const partOfMesh = "app.kubernetes.io/part-of=meshwright"

// Kinds that are gathered. Secrets are not among them, and never shall be.
var (
	gatheredInstalls = []schema.GroupVersionResource{
		{Group: "meshwright.io", Version: "v1alpha1", Resource: "meshinstalls"},
		{Group: "meshwright.io", Version: "v1alpha1", Resource: "meshrevisions"},
	}
	gatheredCluster = []schema.GroupVersionResource{
		{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"},
	}
	gatheredNamespaced = []schema.GroupVersionResource{
		{Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "pods"}, {Version: "v1", Resource: "services"},
		{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "apps", Version: "v1", Resource: "replicasets"},
		{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	}
	gatheredEvents = schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
)

// gatherer reads a cluster into an archive.
type gatherer struct {
	config  *rest.Config
	objects dynamic.Interface
	client  kubernetes.Interface
	install string // whose objects; empty for all
	tail    int64
	now     time.Time

	archive  *tar.Writer
	files    int
	failures []string
	// namespaces are those in which something of ours was found, names those of
	// MeshInstalls and revisions.
	namespaces, names map[string]bool
}

func newGatherer(config *rest.Config, install string, tail int64) (*gatherer, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &gatherer{
		config: config, objects: objects, client: client, install: install, tail: tail, now: time.Now(),
		namespaces: map[string]bool{}, names: map[string]bool{},
	}, nil
}

// known tells a MeshInstall of that name from a slip.
func (g *gatherer) known(ctx context.Context) error {
	if g.install == "" {
		return nil
	}
	_, err := g.objects.Resource(gatheredInstalls[0]).Get(ctx, g.install, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("--install: there is no MeshInstall %q; kubectl get meshinstalls lists them", g.install)
	}
	return nil // what cannot be read is told in the file
}

// selector has the labels of what is gathered.
func (g *gatherer) selector() string {
	if g.install == "" {
		return partOfMesh
	}
	return partOfMesh + "," + installLabel + "=" + g.install
}

// reachable tells a cluster that cannot be reached from one of which parts
// cannot be read.
func (g *gatherer) reachable(ctx context.Context) error {
	_, err := g.client.Discovery().ServerVersionWithContext(ctx)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	return nil
}

func (g *gatherer) versions(ctx context.Context) error {
	server := "unknown"
	if v, err := g.client.Discovery().ServerVersionWithContext(ctx); err == nil {
		server = v.GitVersion
	}
	return g.add("versions.txt", fmt.Appendf(nil, "meshwright %s\nkubernetes %s\ntime %s\n", version.String(), server, g.now.UTC().Format(time.RFC3339)))
}

// list reads all objects of a resource that a selector chooses. A resource that
// this server does not have is empty.
func (g *gatherer) list(ctx context.Context, resource schema.GroupVersionResource, selector string) []unstructured.Unstructured {
	list, err := g.objects.Resource(resource).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		g.failed("list "+resource.Resource, err)
		return nil
	}
	return list.Items
}

// store adds an object as YAML.
func (g *gatherer) store(folder string, o *unstructured.Unstructured) error {
	redactObject(o)
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return g.add(folder+"/"+o.GetName()+".yaml", text)
}

func (g *gatherer) clusterObjects(ctx context.Context) error {
	fromSecrets := map[string]bool{}
	for _, resource := range gatheredInstalls {
		for _, o := range g.list(ctx, resource, "") {
			install, isRevision, _ := unstructured.NestedString(o.Object, "spec", "install")
			if !isRevision {
				install = o.GetName()
			}
			if g.install != "" && g.install != install {
				continue
			}
			g.names[o.GetName()] = true
			if takesSecrets(&o) {
				fromSecrets[o.GetName()] = true
			}
			// A revision keeps the values that it was rendered with.
			if isRevision && fromSecrets[install] {
				_ = unstructured.SetNestedField(o.Object, map[string]any{"values": redacted}, "spec", "values")
			}
			if err := g.store(resource.Resource, &o); err != nil {
				return err
			}
		}
	}
	for _, resource := range gatheredCluster {
		for _, o := range g.list(ctx, resource, g.selector()) {
			if err := g.store(resource.Resource, &o); err != nil {
				return err
			}
		}
	}
	return nil
}

// takesSecrets reports whether a MeshInstall has values out of Secrets.
func takesSecrets(install *unstructured.Unstructured) bool {
	from, _, _ := unstructured.NestedSlice(install.Object, "spec", "valuesFrom")
	return slices.ContainsFunc(from, func(entry any) bool {
		fields, _ := entry.(map[string]any)
		return fields["kind"] == "Secret"
	})
}

func (g *gatherer) namespacedObjects(ctx context.Context) error {
	for _, resource := range gatheredNamespaced {
		for _, o := range g.list(ctx, resource, g.selector()) {
			g.namespaces[o.GetNamespace()] = true
			if err := g.store("namespaces/"+o.GetNamespace()+"/"+resource.Resource, &o); err != nil {
				return err
			}
		}
	}
	return nil
}

// events are those of our namespaces, and those about our own kinds.
func (g *gatherer) events(ctx context.Context) error {
	var out strings.Builder
	for _, e := range g.list(ctx, gatheredEvents, "") {
		about, _, _ := unstructured.NestedStringMap(e.Object, "regarding")
		ofKinds := strings.HasPrefix(about["apiVersion"], "meshwright.io/") && (g.install == "" || g.names[about["name"]])
		if !g.namespaces[e.GetNamespace()] && !ofKinds {
			continue
		}
		redactObject(&e)
		raw, err := json.Marshal(e.Object)
		if err != nil {
			return fmt.Errorf("write an event: %w", err)
		}
		out.Write(append(raw, '\n'))
	}
	return g.add("events.jsonl", []byte(out.String()))
}

// proxies are those that discovery has, as meshwright proxies -o json says it.
func (g *gatherer) proxies(ctx context.Context) error {
	reader := &discoveryReader{client: g.client, forward: forwarder(g.config, g.client)}
	rows, err := reader.read(ctx, "", g.install)
	g.failed("ask discovery for its proxies", err)
	raw, err := json.MarshalIndent(proxyList{Items: newest(rows)}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the proxies: %w", err)
	}
	return g.add("proxies.json", raw)
}

// logs are the last lines of each container of ours, and of the one before it
// where it was started again.
func (g *gatherer) logs(ctx context.Context) error {
	pods, err := g.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: g.selector()})
	if err != nil {
		g.failed("list pods", err)
		return nil
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			for _, previous := range []bool{false, true} {
				if previous && status.RestartCount == 0 {
					continue
				}
				if err := g.log(ctx, pod, corev1.PodLogOptions{Container: status.Name, Previous: previous, TailLines: &g.tail}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g *gatherer) log(ctx context.Context, pod *corev1.Pod, options corev1.PodLogOptions) error {
	name := "namespaces/" + pod.Namespace + "/logs/" + pod.Name + "." + options.Container
	if options.Previous {
		name += ".previous"
	}
	stream, err := g.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
	if err != nil {
		g.failed("read log "+name, err)
		return nil
	}
	defer func() { _ = stream.Close() }()
	text, err := io.ReadAll(stream)
	g.failed("read log "+name, err)
	return g.add(name+".log", text)
}
