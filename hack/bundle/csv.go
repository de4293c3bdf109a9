package main

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/hack/bundlecheck"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/version"
)

const (
	repository = "https://github.com/meshwright/meshwright"
	// createdAt is when this version was made; it changes with the version.
	createdAt = "2026-11-21T00:00:00Z"
	// channel says how much to trust this version.
	channel = "candidate"
)

//go:embed description.md
var description string

//go:embed icon.svg
var icon []byte

// csvName is the name of this version in the graph of upgrades.
func csvName() string { return packageName + "." + version.String() }

// csv is the ClusterServiceVersion of this version.
func (s source) csv(objects []*unstructured.Unstructured, kinds []apiextensionsv1.CustomResourceDefinition) (*bundlecheck.CSV, error) {
	install, err := installOf(objects)
	if err != nil {
		return nil, err
	}
	examples, p, err := s.examples()
	if err != nil {
		return nil, err
	}
	annotations, err := s.annotations(examples, kinds)
	if err != nil {
		return nil, err
	}
	return &bundlecheck.CSV{
		APIVersion: "operators.coreos.com/v1alpha1", Kind: "ClusterServiceVersion",
		Metadata: bundlecheck.Metadata{
			Name: csvName(), Namespace: "placeholder", Annotations: annotations,
			Labels: map[string]string{"operatorframework.io/arch.amd64": "supported", "operatorframework.io/os.linux": "supported"},
		},
		Spec: bundlecheck.CSVSpec{
			DisplayName: "Meshwright", Version: strings.TrimPrefix(version.String(), "v"), MinKubeVersion: "1.33.0", Maturity: "alpha",
			Description: strings.ReplaceAll(description, "VERSION", version.String()),
			Keywords:    []string{"service mesh", "envoy", "istio", "mtls", "gateway", "xds"},
			Maintainers: []bundlecheck.Maintainer{{Name: "Meshwright maintainers", Email: "meshwright@users.noreply.github.com"}},
			Provider:    bundlecheck.Link{Name: "Meshwright", URL: repository},
			Links: []bundlecheck.Link{
				{Name: "Source", URL: repository}, {Name: "Installation", URL: repository + "/blob/main/docs/install.md"},
				{Name: "Architecture", URL: repository + "/blob/main/docs/architecture.md"},
			},
			Icon: []bundlecheck.Icon{{Data: base64.StdEncoding.EncodeToString(icon), MediaType: "image/svg+xml"}},
			// The kinds are the cluster's, so of one namespace it bears only its own.
			InstallModes: []bundlecheck.InstallMode{
				{Type: "OwnNamespace", Supported: true}, {Type: "SingleNamespace"}, {Type: "MultiNamespace"}, {Type: "AllNamespaces", Supported: true},
			},
			CRDs:    bundlecheck.OwnedCRDs{Owned: owned(kinds, p)},
			Install: *install, RelatedImages: s.relatedImages(),
		},
	}, nil
}

// annotations are what the catalogues list and search.
func (s source) annotations(examples []any, kinds []apiextensionsv1.CustomResourceDefinition) (map[string]string, error) {
	shown, err := json.MarshalIndent(examples, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the examples: %w", err)
	}
	var internal []string
	for _, crd := range kinds {
		if crd.Spec.Names.Kind == "MeshRevision" {
			internal = append(internal, crd.Name)
		}
	}
	hidden, err := json.Marshal(internal)
	if err != nil {
		return nil, fmt.Errorf("write the internal kinds: %w", err)
	}
	out := map[string]string{
		"alm-examples": string(shown), "capabilities": capability(), "categories": "Networking, Security",
		"containerImage": s.image, "createdAt": createdAt, "repository": repository,
		"description": "Runs a service mesh from one object: control plane, certificates, injection and gateways, on stock Envoy.",
		"support":     "Meshwright maintainers, " + repository + "/issues",
		"operatorframework.io/suggested-namespace":         suggestedNamespace,
		"operators.operatorframework.io/internal-objects":  string(hidden),
		"operators.operatorframework.io/project_layout":    "go.kubebuilder.io/v4",
		"features.operators.openshift.io/disconnected":     fmt.Sprint(s.digests()),
		"features.operators.openshift.io/fips-compliant":   "false",
		"features.operators.openshift.io/proxy-aware":      "false",
		"features.operators.openshift.io/tls-profiles":     "false",
		"features.operators.openshift.io/token-auth-aws":   "false",
		"features.operators.openshift.io/token-auth-azure": "false",
		"features.operators.openshift.io/token-auth-gcp":   "false",
	}
	return out, nil
}

// digests reports whether all images are named by digest, as mirrors need it.
func (s source) digests() bool {
	return !slices.ContainsFunc(s.relatedImages(), func(i bundlecheck.RelatedImage) bool { return !strings.Contains(i.Image, "@sha256:") })
}

// relatedImages are those of all versions that the operator carries.
func (s source) relatedImages() []bundlecheck.RelatedImage {
	var out []bundlecheck.RelatedImage
	for _, v := range plan.Carried.Versions() {
		out = append(out, bundlecheck.RelatedImage{Name: "meshwright-" + v, Image: s.imageOf(v)})
	}
	return out
}

// installOf is the operator's Deployment and the rights of its account.
func installOf(objects []*unstructured.Unstructured) (*bundlecheck.Install, error) {
	deployment, err := find[appsv1.Deployment](objects, "Deployment", "meshwright-operator")
	if err != nil {
		return nil, err
	}
	cluster, err := find[rbacv1.ClusterRole](objects, "ClusterRole", "meshwright-operator")
	if err != nil {
		return nil, err
	}
	election, err := find[rbacv1.Role](objects, "Role", "meshwright-operator-election")
	if err != nil {
		return nil, err
	}
	account := deployment.Spec.Template.Spec.ServiceAccountName
	return &bundlecheck.Install{Strategy: "deployment", Spec: bundlecheck.InstallSpec{
		ClusterPermissions: []bundlecheck.Permission{{ServiceAccountName: account, Rules: cluster.Rules}},
		Permissions:        []bundlecheck.Permission{{ServiceAccountName: account, Rules: election.Rules}},
		Deployments:        []bundlecheck.Deployment{{Name: deployment.Name, Label: deployment.Labels, Spec: deployment.Spec}},
	}}, nil
}

// examples are the sample, and the revision that it leads to.
func (s source) examples() ([]any, *plan.Plan, error) {
	install, err := s.sample()
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.New(plan.Input{Install: install.Name, Spec: install.Spec, Image: s.image})
	if err != nil {
		return nil, nil, fmt.Errorf("render the sample: %w", err)
	}
	record, err := p.Record()
	if err != nil {
		return nil, nil, err
	}
	var out []any
	for _, object := range []any{install, record} {
		raw, err := json.Marshal(object)
		if err != nil {
			return nil, nil, fmt.Errorf("write an example: %w", err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, nil, fmt.Errorf("read an example: %w", err)
		}
		delete(fields, "status")
		out = append(out, fields)
	}
	return out, p, nil
}
