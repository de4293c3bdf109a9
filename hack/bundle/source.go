package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/charts"
	"github.com/meshwright/meshwright/hack/bundlecheck"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/version"
)

const (
	packageName = "meshwright"
	// suggestedNamespace is where OLM puts the operator.
	suggestedNamespace = "meshwright-operator"
)

// source is what a bundle is made from.
type source struct {
	// root is the project's folder, image that of this version.
	root, image string
}

// operator is what the operator's chart installs, for namespaces that an
// administrator prepares and names afterwards: OLM makes none.
func (s source) operator() ([]*unstructured.Unstructured, error) {
	return plan.Operator(suggestedNamespace, map[string]any{
		"image": s.image, "operandNamespaces": map[string]any{"mesh": []any{}, "gateways": []any{}},
	})
}

// into reads an object as the type that it is of.
func into[T any](o *unstructured.Unstructured) (T, error) {
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &out); err != nil {
		return out, fmt.Errorf("read %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return out, nil
}

// find is the one object of a kind that has a name.
func find[T any](objects []*unstructured.Unstructured, kind, name string) (T, error) {
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return into[T](o)
		}
	}
	var none T
	return none, fmt.Errorf("the operator's chart has no %s %s", kind, name)
}

// crds are the files of our own kinds, in order.
func crds() (files map[string][]byte, kinds []apiextensionsv1.CustomResourceDefinition, err error) {
	files = map[string][]byte{}
	err = fs.WalkDir(charts.Files, "operator/crds", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := charts.Files.ReadFile(path)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		files[filepath.Base(path)], kinds = data, append(kinds, crd)
		return nil
	})
	return files, kinds, err
}

// sample is the MeshInstall that the catalogue shows.
func (s source) sample() (*v1alpha1.MeshInstall, error) {
	raw, err := os.ReadFile(filepath.Join(s.root, "config/samples/meshinstall_default.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	var install v1alpha1.MeshInstall
	if err := yaml.UnmarshalStrict(raw, &install); err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	return &install, nil
}

// expected is what the bundle must agree with, each part from where it is
// decided: the catalogue, the charts, the generated role, the kustomize base.
func (s source) expected() (bundlecheck.Expected, error) {
	e := bundlecheck.Expected{Images: map[string]string{}}
	for _, v := range plan.Carried.Versions() {
		image := s.imageOf(v)
		e.Images[plan.ImageVariable(v)] = image
		p, err := plan.New(plan.Input{Install: "mesh", Image: image, Spec: v1alpha1.MeshInstallSpec{Version: v, Profile: v1alpha1.ProfileDemo}})
		if err != nil {
			return e, fmt.Errorf("render %s: %w", v, err)
		}
		e.ChartImages = append(e.ChartImages, images(p)...)
	}
	slices.Sort(e.ChartImages)
	e.ChartImages = slices.Compact(e.ChartImages)
	var role rbacv1.ClusterRole
	var deployment appsv1.Deployment
	err := errors.Join(s.document("config/rbac/role.yaml", "ClusterRole", &role), s.document("config/manager/manager.yaml", "Deployment", &deployment))
	if err != nil {
		return e, err
	}
	e.Rules = role.Rules
	container := deployment.Spec.Template.Spec.Containers[0]
	e.Args = container.Args
	for _, variable := range container.Env {
		e.Environment = append(e.Environment, variable.Name)
	}
	return e, nil
}

// imageOf is the image of a version that the operator carries.
func (s source) imageOf(v string) string {
	if v == version.String() {
		return s.image
	}
	return plan.DefaultImage(v)
}

// document reads the one object of a kind in a file of several.
func (s source) document(name, kind string, object any) error {
	raw, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for _, text := range strings.Split(string(raw), "\n---\n") {
		if strings.Contains("\n"+text, "\nkind: "+kind+"\n") {
			return yaml.UnmarshalStrict([]byte(text), object)
		}
	}
	return fmt.Errorf("read %s: it has no %s", name, kind)
}

// images are all that a plan runs: containers, and what the injector is told.
func images(p *plan.Plan) []string {
	var found []string
	for _, o := range slices.Concat(p.RevisionSet, p.InstallSet) {
		walk(o.Object, func(key string, value any) {
			if text, ok := value.(string); ok && key == "image" {
				found = append(found, text)
			}
		})
	}
	slices.SortFunc(found, cmp.Compare[string])
	return slices.Compact(found)
}

// walk visits all fields below a value.
func walk(value any, visit func(key string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			visit(key, field)
			walk(field, visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}
