package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/version"
)

// generate makes all files of the bundle, by name below bundle/.
func (s source) generate() (map[string][]byte, error) {
	objects, err := s.operator()
	if err != nil {
		return nil, err
	}
	files, kinds, err := crds()
	if err != nil {
		return nil, err
	}
	csv, err := s.csv(objects, kinds)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, data := range files {
		out["manifests/"+name] = data
	}
	documents := map[string]any{
		"manifests/" + packageName + ".clusterserviceversion.yaml": csv,
		"metadata/annotations.yaml":                                map[string]any{"annotations": labels},
		"tests/scorecard/config.yaml":                              scorecard(),
		"catalog-templates/basic.yaml":                             template(),
		"ci.yaml":                                                  pipeline(),
		"release-config.yaml":                                      release(),
	}
	for _, o := range objects {
		if isOperandRole(o) {
			documents["manifests/"+o.GetName()+".clusterrole.yaml"] = o.Object
		}
	}
	for name, document := range documents {
		raw, err := yaml.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		out[name] = raw
	}
	out["bundle.Dockerfile"] = dockerfile()
	return out, nil
}

// isOperandRole tells the rights that an administrator binds in the mesh's
// namespaces. OLM makes the operator's own from the CSV.
func isOperandRole(o *unstructured.Unstructured) bool {
	return o.GetKind() == "ClusterRole" && o.GetName() != "meshwright-operator"
}

const labelPrefix = "operators.operatorframework.io."

// labels are those of the bundle's image, and its annotations.
var labels = map[string]string{
	labelPrefix + "bundle.mediatype.v1":       "registry+v1",
	labelPrefix + "bundle.manifests.v1":       "manifests/",
	labelPrefix + "bundle.metadata.v1":        "metadata/",
	labelPrefix + "bundle.package.v1":         packageName,
	labelPrefix + "bundle.channels.v1":        channel,
	labelPrefix + "bundle.channel.default.v1": channel,
	labelPrefix + "test.mediatype.v1":         "scorecard+v1",
	labelPrefix + "test.config.v1":            "tests/scorecard/",
	labelPrefix + "metrics.project_layout":    "go.kubebuilder.io/v4",
}

func dockerfile() []byte {
	var out strings.Builder
	out.WriteString("# docker build -f bundle/bundle.Dockerfile bundle\nFROM scratch\n")
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&out, "LABEL %s=%s\n", key, labels[key])
	}
	out.WriteString("COPY manifests /manifests/\nCOPY metadata /metadata/\nCOPY tests/scorecard /tests/scorecard/\n")
	return []byte(out.String())
}

// scorecard asks for the tests that the catalogues run.
func scorecard() any {
	const image = "quay.io/operator-framework/scorecard-test:v1.41.1"
	var tests []any
	for _, name := range []string{
		"basic-check-spec", "olm-bundle-validation", "olm-crds-have-validation", "olm-crds-have-resources", "olm-spec-descriptors", "olm-status-descriptors",
	} {
		suite, _, _ := strings.Cut(name, "-")
		tests = append(tests, map[string]any{
			"entrypoint": []any{"scorecard-test", name}, "image": image,
			"labels":  map[string]any{"suite": suite, "test": name + "-test"},
			"storage": map[string]any{"spec": map[string]any{"mountPath": map[string]any{}}},
		})
	}
	return map[string]any{
		"apiVersion": "scorecard.operatorframework.io/v1alpha3", "kind": "Configuration", "metadata": map[string]any{"name": "config"},
		"stages":  []any{map[string]any{"parallel": true, "tests": tests}},
		"storage": map[string]any{"spec": map[string]any{"mountPath": map[string]any{}}},
	}
}

// bundleImage is where a release puts this bundle.
func bundleImage() string { return "docker.io/meshwright/meshwright-bundle:" + version.String() }

// template is the graph of upgrades. There is one version so far.
func template() any {
	return map[string]any{"schema": "olm.template.basic", "entries": []any{
		map[string]any{"schema": "olm.package", "name": packageName, "defaultChannel": channel},
		map[string]any{"schema": "olm.channel", "package": packageName, "name": channel, "entries": []any{map[string]any{"name": csvName()}}},
		map[string]any{"schema": "olm.bundle", "image": bundleImage()},
	}}
}

// pipeline tells the catalogue's pipeline to make its part from the template.
func pipeline() any {
	return map[string]any{
		"updateGraph": "replaces-mode",
		"fbc": map[string]any{"enabled": true, "catalog_mapping": []any{
			map[string]any{"template_name": "basic.yaml", "catalog_names": []any{"latest"}, "type": "olm.template.basic"},
		}},
	}
}

// release tells it which channels this version goes to.
func release() any {
	return map[string]any{"catalog_templates": []any{map[string]any{"template_name": "basic.yaml", "channels": []any{channel}}}}
}
