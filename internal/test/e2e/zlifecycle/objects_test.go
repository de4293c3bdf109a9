//go:build e2e

package zlifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

	"github.com/meshwright/meshwright/internal/install/plan"
)

// operandNamespaces are where the operator has rights.
var operandNamespaces = []string{"mesh-system", "mesh-ingress", "mesh-egress"}

// ref is an object: Kind namespace/name.
func ref(kind, namespace, name string) string {
	return kind + " " + namespace + "/" + name
}

// meshObjects are the objects of the mesh and of the operator, by ref: all in
// their namespaces, those of the cluster that are called so, and wherever our
// label is. Events are not among them.
func (w *world) meshObjects() map[string]metav1.PartialObjectMetadata {
	w.Helper()
	lists, err := w.Client.Discovery().ServerPreferredResources()
	if err != nil {
		w.Fatal(err)
	}
	reader, err := metadata.NewForConfig(w.Config)
	if err != nil {
		w.Fatal(err)
	}
	namespaces := append([]string{operatorNamespace}, operandNamespaces...)
	out := map[string]metav1.PartialObjectMetadata{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists) {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			w.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if resource.Kind == "Event" {
				continue
			}
			found, err := reader.Resource(group.WithResource(resource.Name)).List(w.Context(), metav1.ListOptions{})
			if err != nil {
				w.Fatalf("list %s: %v", resource.Name, err)
			}
			for _, o := range found.Items {
				_, labelled := o.Labels[plan.LabelInstall]
				named := o.Namespace == "" && (group.Group == "meshwright.io" || strings.Contains(o.Name, "meshwright") || slices.Contains(namespaces, o.Name))
				if labelled || named || slices.Contains(namespaces, o.Namespace) {
					out[ref(resource.Kind, o.Namespace, o.Name)] = o
				}
			}
		}
	}
	return out
}

// left are the refs of meshObjects that neither the operator's installation
// nor Kubernetes put there.
func (w *world) left() []string {
	w.Helper()
	known := map[string]bool{}
	for _, o := range w.operator(nil) {
		known[ref(o.GetKind(), o.GetNamespace(), o.GetName())] = true
	}
	for _, namespace := range operandNamespaces {
		known[ref("ConfigMap", namespace, "kube-root-ca.crt")] = true
		known[ref("ServiceAccount", namespace, "default")] = true
	}
	var out []string
	for key, o := range w.meshObjects() {
		kind, _, _ := strings.Cut(key, " ")
		ofKinds := kind == "CustomResourceDefinition" || kind == "APIService"
		if !known[key] && !ofKinds && o.Namespace != operatorNamespace {
			out = append(out, key)
		}
	}
	return slices.Sorted(slices.Values(out))
}

// versions are the resource versions of meshObjects, but for Leases.
func (w *world) versions() map[string]string {
	w.Helper()
	all := w.meshObjects()
	maps.DeleteFunc(all, func(key string, _ metav1.PartialObjectMetadata) bool { return strings.HasPrefix(key, "Lease ") })
	out := map[string]string{}
	for key, o := range all {
		out[key] = o.ResourceVersion
	}
	return out
}

// atRest waits until nothing of meshObjects is on its way out and nothing is
// written for three seconds, and returns the versions then: Kubernetes goes on
// for a while after the last Pod is Ready, as with the end of replaced Pods.
func (w *world) atRest() map[string]string {
	w.Helper()
	before := w.versions()
	w.Eventually(w.T, func() error {
		time.Sleep(3 * time.Second)
		for key, o := range w.meshObjects() {
			if o.DeletionTimestamp != nil {
				return fmt.Errorf("%s is being deleted", key)
			}
		}
		now := w.versions()
		d := cmp.Diff(before, now)
		before = now
		if d != "" {
			return fmt.Errorf("not at rest:\n%s", d)
		}
		return nil
	})
	return before
}
