package bundlecheck

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Expected is what a bundle must agree with.
type Expected struct {
	// Images by the name of the RELATED_IMAGE_ variable that holds each: those
	// of the versions that the operator carries.
	Images map[string]string
	// ChartImages are all that the charts of those versions run.
	ChartImages []string
	// Rules are the operator's rights in the whole cluster, as generated.
	Rules []rbacv1.PolicyRule
	// Args and Environment are the operator container's arguments and names of
	// variables, as config/ has them.
	Args, Environment []string
}

// Bundle is a bundle's files, read.
type Bundle struct {
	Expected Expected

	files map[string][]byte
	csvs  []CSV
	// objects are all manifests, by file name, the CSV too.
	objects     map[string]*unstructured.Unstructured
	crds        []apiextensionsv1.CustomResourceDefinition
	annotations map[string]string
	examples    []*unstructured.Unstructured
}

// csv is the one that the bundle has. Without any it is empty, and
// exactlyOneCSV says so.
func (b *Bundle) csv() *CSV {
	if len(b.csvs) == 0 {
		return &CSV{}
	}
	return &b.csvs[0]
}

// Read takes the files of a bundle's folder. What cannot be read as what its
// place says is an error.
func Read(folder fs.FS, expected Expected) (*Bundle, error) {
	b := &Bundle{Expected: expected, files: map[string][]byte{}, objects: map[string]*unstructured.Unstructured{}}
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b.files[name], err = fs.ReadFile(folder, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the bundle: %w", err)
	}
	for _, name := range b.names() {
		if path.Dir(name) != "manifests" {
			continue
		}
		if err := b.readManifest(name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	var metadata struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := yaml.Unmarshal(b.files[annotationsFile], &metadata); err != nil {
		return nil, fmt.Errorf("read %s: %w", annotationsFile, err)
	}
	b.annotations = metadata.Annotations
	return b, nil
}

func (b *Bundle) readManifest(name string) error {
	object := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSONStrict(b.files[name])
	if err != nil {
		return err
	}
	if err := object.UnmarshalJSON(raw); err != nil {
		return err
	}
	b.objects[name] = object
	switch object.GetKind() {
	case "ClusterServiceVersion":
		var csv CSV
		if err := yaml.UnmarshalStrict(b.files[name], &csv); err != nil {
			return err
		}
		b.csvs = append(b.csvs, csv)
		// What is not JSON is found by examplesAreValid.
		var list []map[string]any
		if json.Unmarshal([]byte(csv.Metadata.Annotations["alm-examples"]), &list) == nil {
			for _, fields := range list {
				b.examples = append(b.examples, &unstructured.Unstructured{Object: fields})
			}
		}
	case "CustomResourceDefinition":
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(b.files[name], &crd); err != nil {
			return err
		}
		b.crds = append(b.crds, crd)
	}
	return nil
}

// names are all files in order.
func (b *Bundle) names() []string {
	var names []string
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Size is what the bundle weighs in a cluster: each file of the image
// compressed and in base64, as OLM keeps it.
func (b *Bundle) Size() int {
	size := 0
	for name, raw := range b.files {
		if !strings.HasPrefix(name, "manifests/") && !strings.HasPrefix(name, "metadata/") {
			continue
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(raw) // Into memory: it cannot fail.
		_ = w.Close()
		size += base64.StdEncoding.EncodedLen(packed.Len())
	}
	return size
}
