package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
)

// checkedObject is one object with the Problems that it has of itself.
type checkedObject struct {
	key      mesh.Key
	value    mesh.Value
	problems []mesh.Problem
	file     string
}

const (
	reasonUnreadable = "Unreadable"
	reasonKindGone   = "KindGone"
)

// readFiles reads and ingests what the -f flags name.
func (o *checkOptions) readFiles(stdin io.Reader) ([]checkedObject, error) {
	var out []checkedObject
	for _, name := range o.files {
		files, err := filesOf(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			objects, err := o.readFile(file, stdin)
			if err != nil {
				return nil, err
			}
			out = append(out, objects...)
		}
	}
	return out, nil
}

// filesOf is the file itself, or the manifests of a folder and those below it.
func filesOf(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	var out []string
	err := filepath.WalkDir(name, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == name && !d.IsDir() || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	return out, nil
}

func (o *checkOptions) readFile(file string, stdin io.Reader) ([]checkedObject, error) {
	input, err := openInput("manifests", file, stdin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = input.Close() }()
	var out []checkedObject
	reader := utilyaml.NewYAMLReader(bufio.NewReader(input))
	for i := 1; ; i++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read manifests of %s: %w", file, err)
		}
		objects := o.readDocument(document)
		for j := range objects {
			objects[j].file = file
			if objects[j].key.Name == "" {
				objects[j].key.Name = fmt.Sprintf("document %d of %s", i, file)
				for k := range objects[j].problems {
					objects[j].problems[k].Object = objects[j].key
				}
			}
		}
		out = append(out, objects...)
	}
}

// readDocument ingests one object, or those of a List. What cannot be read is a
// Problem and no error: the other documents are judged all the same.
func (o *checkOptions) readDocument(document []byte) []checkedObject {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return []checkedObject{unreadable(mesh.Key{Kind: "YAML"}, err)}
	}
	if meta.Kind == "" && meta.APIVersion == "" {
		return nil // comments, or no object of Kubernetes
	}
	if meta.Kind == "List" {
		var list struct{ Items []runtime.RawExtension }
		if err := yaml.Unmarshal(document, &list); err != nil {
			return []checkedObject{unreadable(mesh.Key{Kind: "List"}, err)}
		}
		var out []checkedObject
		for _, item := range list.Items {
			out = append(out, o.readDocument(item.Raw)...)
		}
		return out
	}
	object, err := ingest.Decode(document)
	if err != nil {
		return []checkedObject{unreadable(mesh.Key{Kind: mesh.Kind(meta.Kind)}, err)}
	}
	if m, ok := object.(metav1.Object); ok && m.GetNamespace() == "" && meta.Kind != "Node" {
		m.SetNamespace(o.namespace)
	}
	result, ok := ingest.Object(o.clusterDomain, object)
	if !ok {
		return kindGone(object)
	}
	return []checkedObject{{key: result.Key, value: result.Value, problems: result.Problems}}
}

func unreadable(key mesh.Key, err error) checkedObject {
	return checkedObject{key: key, problems: []mesh.Problem{{
		Object: key, Reason: reasonUnreadable, Message: err.Error(), Refused: true,
	}}}
}

// successors are the kinds that replaced those of old versions of Istio.
var successors = map[schema.GroupKind]string{
	{Group: "authentication.istio.io", Kind: "Policy"}:        "PeerAuthentication and RequestAuthentication",
	{Group: "authentication.istio.io", Kind: "MeshPolicy"}:    "a PeerAuthentication in the mesh's namespace",
	{Group: "rbac.istio.io", Kind: "ServiceRole"}:             "AuthorizationPolicy",
	{Group: "rbac.istio.io", Kind: "ServiceRoleBinding"}:      "AuthorizationPolicy",
	{Group: "rbac.istio.io", Kind: "RbacConfig"}:              "AuthorizationPolicy",
	{Group: "rbac.istio.io", Kind: "ClusterRbacConfig"}:       "AuthorizationPolicy",
	{Group: "config.istio.io", Kind: "QuotaSpec"}:             "",
	{Group: "config.istio.io", Kind: "HTTPAPISpec"}:           "",
	{Group: "networking.istio.io", Kind: "RouteRule"}:         "VirtualService",
	{Group: "networking.istio.io", Kind: "DestinationPolicy"}: "DestinationRule",
}

// kindGone names an object of Istio's of which no version knows the kind any
// more; other kinds are not the mesh's business.
func kindGone(object runtime.Object) []checkedObject {
	u, ok := object.(*unstructured.Unstructured)
	if !ok || !strings.HasSuffix(u.GroupVersionKind().Group, ".istio.io") {
		return nil
	}
	key := mesh.Key{Kind: mesh.Kind(u.GetKind()), Namespace: u.GetNamespace(), Name: u.GetName()}
	message := fmt.Sprintf("no API server knows %s %s any more", u.GetAPIVersion(), u.GetKind())
	if next := successors[u.GroupVersionKind().GroupKind()]; next != "" {
		message += "; write " + next
	}
	return []checkedObject{{key: key, problems: []mesh.Problem{{Object: key, Reason: reasonKindGone, Message: message, Refused: true}}}}
}
