package plan

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/charts"
)

// sets are the objects of one rendering, each in order.
type sets struct{ revision, door, install []*unstructured.Unstructured }

// loaded keeps charts that were read: they are embedded, so they never change.
var loaded sync.Map // folder -> *chart.Chart

func loadChart(folder string) (*chart.Chart, error) {
	if c, ok := loaded.Load(folder); ok {
		return c.(*chart.Chart), nil
	}
	var files []*loader.BufferedFile
	err := fs.WalkDir(charts.Files, folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := charts.Files.ReadFile(path)
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(path, folder+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read chart %s: %w", folder, err)
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", folder, err)
	}
	loaded.Store(folder, c)
	return c, nil
}

// renderChart runs Helm's template engine, and nothing else of Helm: no
// look-ups in a cluster, no hooks, no release. It returns the text by template.
func renderChart(c *chart.Chart, values map[string]any, release chartutil.ReleaseOptions) (map[string]string, error) {
	// The engine writes into what it is given.
	copied := runtimeCopy(values)
	all, err := chartutil.ToRenderValues(c, copied, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, fmt.Errorf("merge values of chart %s: %w", c.Name(), err)
	}
	out, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return nil, fmt.Errorf("render chart %s: %w", c.Name(), err)
	}
	return out, nil
}

// renderMesh renders the chart of a revision's version under a name, and
// applies its patches.
func renderMesh(spec v1alpha1.MeshRevisionSpec, values map[string]any, revision string) (sets, error) {
	entry, err := Carried.find(spec.Version)
	if err != nil {
		return sets{}, err
	}
	c, err := loadChart(entry.chart)
	if err != nil {
		return sets{}, err
	}
	withName := runtimeCopy(values)
	withName["revision"] = revision
	out, err := renderChart(c, withName, chartutil.ReleaseOptions{Name: "mesh"})
	if err != nil {
		return sets{}, err
	}
	var s sets
	for path, text := range out {
		objects, err := decode(text)
		if err != nil {
			return sets{}, fmt.Errorf("read what %s rendered: %w", path, err)
		}
		switch {
		case len(objects) == 0:
		case strings.Contains(path, "/templates/revision/"):
			s.revision = append(s.revision, objects...)
		case strings.Contains(path, "/templates/door/"):
			s.door = append(s.door, objects...)
		case strings.Contains(path, "/templates/install/"):
			s.install = append(s.install, objects...)
		default:
			return sets{}, fmt.Errorf("template %s is in none of the folders install, door and revision", path)
		}
	}
	sortObjects(s.revision)
	sortObjects(s.door)
	sortObjects(s.install)
	return s, applyPatches(spec.Patches, revision, s.revision, s.door, s.install)
}

// decode reads a stream of YAML documents and leaves out empty ones.
func decode(text string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		raw, err := yaml.YAMLToJSONStrict(doc)
		if err != nil {
			return nil, err
		}
		if string(raw) == "null" {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(raw); err != nil {
			return nil, err
		}
		out = append(out, object)
	}
}

// kindOrder is the order of applying: what is referred to comes first.
var kindOrder = []string{"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment", "HorizontalPodAutoscaler", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"}

func sortObjects(objects []*unstructured.Unstructured) {
	slices.SortFunc(objects, func(a, b *unstructured.Unstructured) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kindOrder, a.GetKind()), slices.Index(kindOrder, b.GetKind())),
			cmp.Compare(a.GetNamespace(), b.GetNamespace()),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
}
