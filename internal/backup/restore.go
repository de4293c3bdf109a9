package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// fieldManager owns what a restore creates.
const fieldManager = "meshwright-restore"

// Outcome is what became of one object.
type Outcome string

// The outcomes. Kept is an object that exists and says something else.
const (
	Created   Outcome = "created"
	Unchanged Outcome = "unchanged"
	Kept      Outcome = "kept as it is, it differs from the backup"
)

// Restore creates the objects that are missing, in their order, and tells about
// each. If an authority exists that is not the saved one, nothing is created:
// proxies trust the one that exists. Any other object that cannot be created
// does not keep back the rest; the errors are joined. With dryRun the API server
// checks everything and stores nothing.
func Restore(ctx context.Context, c Clients, objects []*unstructured.Unstructured, dryRun bool, tell func(*unstructured.Unstructured, Outcome)) error {
	known, err := restmapper.GetAPIGroupResources(c.Discovery)
	if err != nil {
		return fmt.Errorf("ask the API server for its kinds: %w", err)
	}
	r := restorer{client: c.Dynamic, mapper: restmapper.NewDiscoveryRESTMapper(known), tell: tell}
	if dryRun {
		r.options.DryRun = []string{metav1.DryRunAll}
	}
	r.options.FieldManager = fieldManager
	var failed []error
	for _, o := range objects {
		err := r.restore(ctx, o)
		if err == nil {
			continue
		}
		if isAuthority(o) {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

type restorer struct {
	client  dynamic.Interface
	mapper  meta.RESTMapper
	options metav1.CreateOptions
	tell    func(*unstructured.Unstructured, Outcome)
}

func (r *restorer) restore(ctx context.Context, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	mapping, err := r.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return fmt.Errorf("restore %s: the cluster does not know this kind; install its CustomResourceDefinition first", Name(o))
	}
	var client dynamic.ResourceInterface = r.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		client = r.client.Resource(mapping.Resource).Namespace(o.GetNamespace())
	}
	_, err = client.Create(ctx, o, r.options)
	switch {
	case apierrors.IsAlreadyExists(err):
		return r.compare(ctx, client, o)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("restore %s: namespace %s does not exist; create it first", Name(o), o.GetNamespace())
	case err != nil:
		return fmt.Errorf("restore %s: %w", Name(o), err)
	}
	r.tell(o, Created)
	return nil
}

// compare looks at what exists in the place of a saved object.
func (r *restorer) compare(ctx context.Context, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	found, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read %s: %w", Name(o), err)
	}
	strip(found)
	outcome := Unchanged
	if !apiequality.Semantic.DeepEqual(found.Object, o.Object) {
		if isAuthority(o) && !apiequality.Semantic.DeepEqual(found.Object["data"], o.Object["data"]) {
			return fmt.Errorf("restore %s: another authority is there, and proxies trust it; to put the saved one in its place delete the Secret, restore, and restart discovery and then all proxies", Name(o))
		}
		outcome = Kept
	}
	r.tell(o, outcome)
	return nil
}

func isAuthority(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Secret" && o.GroupVersionKind().Group == ""
}

// Name is how kubectl names an object, with its namespace: kind.group/name -n
// namespace.
func Name(o *unstructured.Unstructured) string {
	gk := o.GroupVersionKind().GroupKind()
	name := strings.ToLower(gk.Kind)
	if gk.Group != "" {
		name += "." + gk.Group
	}
	name += "/" + o.GetName()
	if o.GetNamespace() != "" {
		name += " -n " + o.GetNamespace()
	}
	return name
}
