package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/meshwright/meshwright/internal/ca/store"
)

// groups are those whose objects are saved.
var groups = []string{
	installs.Group, "networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io", "gateway.networking.k8s.io",
}

var (
	installs = schema.GroupResource{Group: "meshwright.io", Resource: "meshinstalls"}
	secrets  = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// pageSize bounds one answer of the API server.
const pageSize = 500

// Clients reach one cluster with a person's own rights.
type Clients struct {
	Dynamic   dynamic.Interface
	Discovery discovery.DiscoveryInterface
}

// Snapshot are the objects of the mesh that a cluster has, without what the API
// server and controllers wrote into them. The authorities' Secrets come first,
// if asked for, then MeshInstalls, then the rest, older before younger: of two
// that claim the same host the older has it. What another object controls is
// left out. A mesh without an authority is an error.
func Snapshot(ctx context.Context, c Clients, authority bool) ([]*unstructured.Unstructured, error) {
	resources, err := served(c.Discovery)
	if err != nil {
		return nil, err
	}
	var meshes, rest []*unstructured.Unstructured
	for _, r := range resources {
		found, err := list(ctx, c.Dynamic, r)
		if err != nil {
			return nil, err
		}
		if r.GroupResource() == installs {
			meshes = found
			continue
		}
		rest = append(rest, found...)
	}
	slices.SortStableFunc(rest, older)
	var out []*unstructured.Unstructured
	if authority {
		if out, err = authorities(ctx, c.Dynamic, meshes); err != nil {
			return nil, err
		}
	}
	out = slices.Concat(out, meshes, rest)
	for _, o := range out {
		strip(o)
	}
	return out, nil
}

// served are the resources of our groups that this API server lists.
func served(d discovery.DiscoveryInterface) ([]schema.GroupVersionResource, error) {
	lists, err := d.ServerPreferredResources()
	// What one broken aggregated API does not tell is not about us.
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask the API server for its kinds: %w", err)
	}
	var out []schema.GroupVersionResource
	for _, l := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists) {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil || !slices.Contains(groups, gv.Group) {
			continue
		}
		for _, r := range l.APIResources {
			if gv.Group == installs.Group && r.Name != installs.Resource {
				continue // The operator makes it again.
			}
			out = append(out, gv.WithResource(r.Name))
		}
	}
	if !slices.ContainsFunc(out, func(r schema.GroupVersionResource) bool { return r.GroupResource() == installs }) {
		return nil, errors.New("the cluster does not know MeshInstall: nothing of Meshwright is installed")
	}
	return out, nil
}

func list(ctx context.Context, c dynamic.Interface, r schema.GroupVersionResource) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := c.Resource(r).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", r.GroupResource(), err)
		}
		for i := range page.Items {
			if metav1.GetControllerOf(&page.Items[i]) == nil {
				out = append(out, &page.Items[i])
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return out, nil
		}
	}
}

// older orders by age, then kind, namespace and name.
func older(a, b *unstructured.Unstructured) int {
	return cmp.Or(
		a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()),
	)
}

// authorities are the Secrets with the signing keys of these meshes.
func authorities(ctx context.Context, c dynamic.Interface, meshes []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, m := range meshes {
		namespace, _, err := unstructured.NestedString(m.Object, "spec", "namespace")
		if err != nil {
			return nil, fmt.Errorf("read MeshInstall %s: %w", m.GetName(), err)
		}
		secret, err := c.Resource(secrets).Namespace(namespace).Get(ctx, store.SecretName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("MeshInstall %s: there is no Secret %s/%s: discovery has not made its authority yet", m.GetName(), namespace, store.SecretName)
		}
		if err != nil {
			return nil, fmt.Errorf("read secret %s/%s: %w", namespace, store.SecretName, err)
		}
		out = append(out, secret)
	}
	return out, nil
}

// strip leaves what a person would have written, and the annotation in which
// kubectl notes what it last applied: without that it would not see what a later
// manifest leaves out.
func strip(o *unstructured.Unstructured) {
	metadata := map[string]any{"name": o.GetName()}
	if namespace := o.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	for _, field := range []string{"labels", "annotations"} {
		if value, found, _ := unstructured.NestedMap(o.Object, "metadata", field); found {
			metadata[field] = value
		}
	}
	o.Object["metadata"] = metadata
	delete(o.Object, "status")
}
