package bundlecheck

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	annotationsFile = "metadata/annotations.yaml"
	scorecardFile   = "tests/scorecard/config.yaml"
	dockerfile      = "bundle.Dockerfile"
)

func filesArePresent(b *Bundle) (m messages) {
	for _, name := range []string{annotationsFile, scorecardFile, dockerfile, templateFile, ciFile, releaseFile} {
		m.want(len(b.files[name]) > 0, "%s is missing", name)
	}
	return m
}

func manifestsArePlainFiles(b *Bundle) (m messages) {
	for _, name := range b.names() {
		if rest, ok := strings.CutPrefix(name, "manifests/"); ok {
			m.want(!strings.Contains(rest, "/"), "%s is in a folder of manifests/", name)
			m.want(!strings.HasPrefix(path.Base(name), "."), "%s is hidden", name)
		}
	}
	return m
}

var documentEnd = regexp.MustCompile(`(?m)^---\s*$`)

// oneObjectPerFile: OLM reads the first document of a file and passes over the rest.
func oneObjectPerFile(b *Bundle) (m messages) {
	for name := range b.objects {
		text := bytes.TrimPrefix(b.files[name], []byte("---\n"))
		m.want(!documentEnd.Match(text), "%s has more than one document", name)
	}
	return m
}

func exactlyOneCSV(b *Bundle) (m messages) {
	m.want(len(b.csvs) == 1, "there are %d ClusterServiceVersions, not one", len(b.csvs))
	return m
}

// supported are the kinds that both catalogues let a bundle have. OLM's own
// list has NetworkPolicy too, and a catalogue refuses it.
var supported = []string{
	"ClusterServiceVersion", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service",
	"ServiceAccount", "ConfigMap", "Secret", "PodDisruptionBudget", "PriorityClass", "PrometheusRule", "ServiceMonitor", "PodMonitor",
	"VerticalPodAutoscaler", "ConsoleYAMLSample", "ConsoleQuickStart", "ConsoleCLIDownload", "ConsoleLink", "ConsolePlugin",
}

func kindsAreSupported(b *Bundle) (m messages) {
	for name, o := range b.objects {
		m.want(slices.Contains(supported, o.GetKind()), "%s is a %s, which no bundle may have", name, o.GetKind())
		if o.GetKind() == "PriorityClass" {
			global, _, _ := unstructured.NestedBool(o.Object, "globalDefault")
			m.want(!global, "%s is the default of all pods", name)
		}
		if o.GetKind() == "PodDisruptionBudget" {
			most, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "maxUnavailable")
			least, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "minAvailable")
			m.want(most != int64(0) && most != "0%" && least != "100%", "%s never lets a node be drained", name)
		}
	}
	return m
}

// accountsAreOLMs: OLM makes the accounts of Deployments by itself.
func accountsAreOLMs(b *Bundle) (m messages) {
	for name, o := range b.objects {
		for _, d := range b.csv().Spec.Install.Spec.Deployments {
			m.want(o.GetKind() != "ServiceAccount" || o.GetName() != d.Spec.Template.Spec.ServiceAccountName,
				"%s is the ServiceAccount of Deployment %s, which OLM makes", name, d.Name)
		}
	}
	return m
}

const (
	// clusterLimit is what a ConfigMap of OLM can hold.
	clusterLimit = 1 << 20
	// SmallLimit is our own.
	SmallLimit = 64 << 10
)

func sizeFitsACluster(b *Bundle) (m messages) {
	m.want(b.Size() < clusterLimit, "%d bytes, of %d that a cluster can hold", b.Size(), clusterLimit)
	return m
}

func sizeIsSmall(b *Bundle) (m messages) {
	m.want(b.Size() < SmallLimit, "%d bytes, more than %d", b.Size(), SmallLimit)
	return m
}

// prefix of the keys in annotations.yaml.
const prefix = "operators.operatorframework.io."

func annotationsAreComplete(b *Bundle) (m messages) {
	for key, want := range map[string]string{
		"bundle.mediatype.v1": "registry+v1", "bundle.manifests.v1": "manifests/", "bundle.metadata.v1": "metadata/",
		"test.mediatype.v1": "scorecard+v1", "test.config.v1": "tests/scorecard/",
	} {
		m.want(b.annotations[prefix+key] == want, "%s%s is %q, not %q", prefix, key, b.annotations[prefix+key], want)
	}
	for _, key := range []string{"bundle.package.v1", "bundle.channels.v1"} {
		m.want(b.annotations[prefix+key] != "", "%s%s is missing", prefix, key)
	}
	if channel, ok := b.annotations[prefix+"bundle.channel.default.v1"]; ok {
		m.want(slices.Contains(b.channels(), channel), "the default channel %q is none of the channels %v", channel, b.channels())
	}
	return m
}

// channels are those that the bundle is to be in.
func (b *Bundle) channels() []string {
	return strings.Split(b.annotations[prefix+"bundle.channels.v1"], ",")
}

var label = regexp.MustCompile(`(?m)^LABEL ([^=\s]+)=(\S+)$`)

func dockerfileRepeatsAnnotations(b *Bundle) (m messages) {
	labels := map[string]string{}
	for _, found := range label.FindAllStringSubmatch(string(b.files[dockerfile]), -1) {
		labels[found[1]] = found[2]
	}
	for key, value := range b.annotations {
		m.want(labels[key] == value, "label %s is %q, the annotation %q", key, labels[key], value)
	}
	for key := range labels {
		_, ok := b.annotations[key]
		m.want(ok, "label %s is no annotation", key)
	}
	return m
}

func channelsAreNamedByRisk(b *Bundle) (m messages) {
	for _, channel := range b.channels() {
		m.want(slices.ContainsFunc([]string{"stable", "candidate", "fast"}, func(word string) bool { return strings.HasPrefix(channel, word) }),
			"channel %q begins with none of stable, candidate and fast", channel)
	}
	return m
}

// scorecardTests are those that the catalogues run.
var scorecardTests = []string{
	"basic-check-spec", "olm-bundle-validation", "olm-crds-have-validation", "olm-crds-have-resources", "olm-spec-descriptors", "olm-status-descriptors",
}

func scorecardHasAllTests(b *Bundle) (m messages) {
	var config struct {
		Stages []struct {
			Tests []struct {
				Labels map[string]string `json:"labels"`
			} `json:"tests"`
		} `json:"stages"`
	}
	if err := yaml.Unmarshal(b.files[scorecardFile], &config); err != nil {
		m.add("%v", err)
	}
	var found []string
	for _, stage := range config.Stages {
		for _, test := range stage.Tests {
			found = append(found, test.Labels["test"])
		}
	}
	for _, name := range scorecardTests {
		m.want(slices.Contains(found, name+"-test"), "%s does not run %s", scorecardFile, name)
	}
	return m
}
