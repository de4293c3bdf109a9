package bundlecheck

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	csvFile = "manifests/meshwright.clusterserviceversion.yaml"
	crdFile = "manifests/meshwright.io_meshinstalls.yaml"
)

// copied is the project's own bundle in memory, to be broken.
func copied(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS("../../bundle"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile("../../bundle/" + name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// agreeing is what the project's own bundle agrees with.
func agreeing(t *testing.T) Expected {
	t.Helper()
	b, err := Read(copied(t), Expected{})
	if err != nil {
		t.Fatal(err)
	}
	e := Expected{Images: map[string]string{}, Rules: b.csv().Spec.Install.Spec.ClusterPermissions[0].Rules}
	for _, i := range b.csv().Spec.RelatedImages {
		e.ChartImages = append(e.ChartImages, i.Image)
	}
	for _, c := range b.containers() {
		e.Args = c.Args
		for _, v := range c.Env {
			e.Environment = append(e.Environment, v.Name)
			if strings.HasPrefix(v.Name, relatedPrefix) {
				e.Images[v.Name] = v.Value
			}
		}
	}
	return e
}

// edit changes a file, and fails when there is nothing to change.
func edit(file, old, replacement string) func(*testing.T, fstest.MapFS) {
	return func(t *testing.T, files fstest.MapFS) {
		t.Helper()
		if files[file] == nil || !bytes.Contains(files[file].Data, []byte(old)) {
			t.Fatalf("%s has no %q", file, old)
		}
		files[file].Data = bytes.ReplaceAll(files[file].Data, []byte(old), []byte(replacement))
	}
}

// with adds a file.
func with(file, text string) func(*testing.T, fstest.MapFS) {
	return func(_ *testing.T, files fstest.MapFS) { files[file] = &fstest.MapFile{Data: []byte(text)} }
}

// document changes a file through its type.
func document[T any](file string, change func(*T)) func(*testing.T, fstest.MapFS) {
	return func(t *testing.T, files fstest.MapFS) {
		t.Helper()
		var value T
		if err := yaml.Unmarshal(files[file].Data, &value); err != nil {
			t.Fatal(err)
		}
		change(&value)
		raw, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		files[file].Data = raw
	}
}

// csv changes the ClusterServiceVersion.
func csv(change func(*CSV)) func(*testing.T, fstest.MapFS) { return document(csvFile, change) }

// annotated sets an annotation of the ClusterServiceVersion.
func annotated(key, value string) func(*testing.T, fstest.MapFS) {
	return csv(func(c *CSV) { c.Metadata.Annotations[key] = value })
}

func crd(change func(*apiextensionsv1.CustomResourceDefinition)) func(*testing.T, fstest.MapFS) {
	return document(crdFile, change)
}

const someRole = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: more}\nrules:\n"

// broken has a bundle for each check that only this check, or this one too,
// finds fault with.
var broken = map[string][]func(*testing.T, fstest.MapFS){
	"filesArePresent":        {func(_ *testing.T, f fstest.MapFS) { delete(f, dockerfile) }},
	"manifestsArePlainFiles": {with("manifests/.hidden", someRole), with("manifests/more/a.yaml", someRole)},
	"oneObjectPerFile":       {edit(crdFile, "\nspec:", "\n---\nspec:")},
	"exactlyOneCSV":          {func(_ *testing.T, f fstest.MapFS) { delete(f, csvFile) }, func(_ *testing.T, f fstest.MapFS) { f["manifests/b.yaml"] = f[csvFile] }},
	"kindsAreSupported": {
		with("manifests/a.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"),
		with("manifests/a.yaml", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {maxUnavailable: 0}\n"),
		with("manifests/a.yaml", "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: a}\nglobalDefault: true\n"),
	},
	"accountsAreOLMs":  {with("manifests/a.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: meshwright-operator}\n")},
	"sizeFitsACluster": {with("manifests/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "+noise(1_200_000)+"}\n")},
	"sizeIsSmall":      {with("manifests/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "+noise(80_000)+"}\n")},
	"annotationsAreComplete": {
		edit(annotationsFile, "registry+v1", "helm"), edit(annotationsFile, "bundle.package.v1", "bundle.pack.v1"),
		edit(annotationsFile, "channel.default.v1: candidate", "channel.default.v1: other"),
	},
	"dockerfileRepeatsAnnotations": {edit(dockerfile, "registry+v1", "helm"), edit(dockerfile, "FROM scratch", "FROM scratch\nLABEL more=true")},
	"channelsAreNamedByRisk":       {edit(annotationsFile, ": candidate", ": dev")},
	"scorecardHasAllTests":         {edit(scorecardFile, "olm-crds-have-resources", "other")},

	"nameHasTheVersion": {csv(func(c *CSV) { c.Spec.Version = "1" }), csv(func(c *CSV) { c.Metadata.Name = "meshwright.v9.9.9" })},
	"csvAnnotationsAreValid": {
		annotated("capabilities", "All"), annotated("categories", "Networking, Fun"), annotated("containerImage", "a"), annotated("createdAt", "today"),
		annotated("description", "short"), annotated("repository", "here"), annotated("support", ""), annotated("operatorframework.io/suggested-namespace", ""),
	},
	"featuresAreDeclared":         {annotated(featurePrefix+"proxy-aware", "perhaps")},
	"disconnectedOnlyWithDigests": {annotated(featurePrefix+"disconnected", "true")},
	"propertiesAreInTheirFile":    {annotated("olm.properties", "[]"), annotated("olm.skiprange", "<1.0.0")},
	"platformsAgree": {
		csv(func(c *CSV) { c.Metadata.Labels["operatorframework.io/arch.arm64"] = "supported" }),
		csv(func(c *CSV) { c.Metadata.Labels = nil }),
	},
	"listingIsComplete": {
		csv(func(c *CSV) { c.Spec.DisplayName = "M" }), csv(func(c *CSV) { c.Spec.Maintainers[0].Email = "nobody" }), csv(func(c *CSV) { c.Spec.Maintainers = nil }),
		csv(func(c *CSV) { c.Spec.Provider.Name = "" }), csv(func(c *CSV) { c.Spec.Links[0].URL = "here" }), csv(func(c *CSV) { c.Spec.Keywords = nil }),
		csv(func(c *CSV) { c.Spec.Maturity = "" }), csv(func(c *CSV) { c.Spec.Links = nil }),
	},
	"descriptionHasItsSections": {csv(func(c *CSV) { c.Spec.Description = "A mesh." })},
	"iconIsAPicture": {
		csv(func(c *CSV) { c.Spec.Icon = nil }), csv(func(c *CSV) { c.Spec.Icon[0].Data = "?" }), csv(func(c *CSV) { c.Spec.Icon[0].MediaType = "text/plain" }),
	},
	"minKubeVersionIsSet": {csv(func(c *CSV) { c.Spec.MinKubeVersion = "1.33" }), edit(ciFile, "enabled: true", "enabled: false")},
	"installModesAreComplete": {
		csv(func(c *CSV) { c.Spec.InstallModes = c.Spec.InstallModes[1:] }),
		csv(func(c *CSV) { c.Spec.InstallModes[0].Supported, c.Spec.InstallModes[3].Supported = false, false }),
		csv(func(c *CSV) { c.Spec.Webhooks = []Webhook{{Type: "ConversionWebhook"}} }),
	},

	"deploymentsAreHardened": {
		csv(func(c *CSV) { c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.SecurityContext = nil }),
		csv(func(c *CSV) {
			c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].SecurityContext = nil
		}),
		csv(func(c *CSV) {
			c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].SecurityContext.Capabilities = nil
		}),
		csv(func(c *CSV) { c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].LivenessProbe = nil }),
		csv(func(c *CSV) { c.Spec.Install.Spec.Deployments = nil }),
		csv(func(c *CSV) { c.Spec.Install.Strategy = "helm" }),
	},
	"deploymentsRequestResources": {csv(func(c *CSV) {
		c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].Resources.Requests = nil
	})},
	"deploymentIsThatOfConfig": {
		csv(func(c *CSV) {
			c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].Args = []string{"operator"}
		}),
		csv(func(c *CSV) {
			c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].Env[0].Name = "OTHER"
		}),
	},
	"rightsAreTheGeneratedOnes": {
		csv(func(c *CSV) { c.Spec.Install.Spec.ClusterPermissions[0].Rules[0].Verbs = []string{"get"} }),
		csv(func(c *CSV) { c.Spec.Install.Spec.ClusterPermissions[0].ServiceAccountName = "other" }),
		csv(func(c *CSV) { c.Spec.Install.Spec.ClusterPermissions = nil }),
	},
	"rightsAreLeast": {
		with("manifests/more.yaml", someRole+"- {apiGroups: [apps], resources: [deployments], verbs: ['*']}\n"),
		csv(func(c *CSV) {
			c.Spec.Install.Spec.Permissions[0].Rules = append(c.Spec.Install.Spec.Permissions[0].Rules, rbacv1.PolicyRule{Verbs: []string{"escalate"}})
		}),
	},
	"noRightToMakeCRDs": {with("manifests/more.yaml", someRole+"- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [create]}\n")},
	"webhooksAreComplete": {
		csv(func(c *CSV) { c.Spec.Webhooks = []Webhook{{DeploymentName: "other"}} }),
		csv(func(c *CSV) {
			c.Spec.Webhooks = []Webhook{{DeploymentName: "meshwright-operator", ContainerPort: 1, TargetPort: 1, SideEffects: "Some"}}
		}),
	},

	"ownedAreTheCRDs":       {csv(func(c *CSV) { c.Spec.CRDs.Owned = c.Spec.CRDs.Owned[1:] }), func(_ *testing.T, f fstest.MapFS) { delete(f, crdFile) }},
	"ownedAreDescribed":     {csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Description = "" })},
	"internalKindsAreNamed": {annotated("operators.operatorframework.io/internal-objects", "[]"), annotated("operators.operatorframework.io/internal-objects", "x")},
	"crdsAreSound": {
		crd(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.PreserveUnknownFields = true }),
		crd(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[0].Served = false }),
		edit(crdFile, "spec is what the cluster shall have", strings.Repeat("long ", 60_000)),
		crd(func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["more"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}),
	},
	"examplesAreValid": {
		annotated("alm-examples", "none"),
		annotated("alm-examples", `[{"apiVersion": "meshwright.io/v1alpha1", "kind": "MeshInstall", "spec": {"version": "v0.1-latest"}}]`),
		annotated("alm-examples", `[{"apiVersion": "meshwright.io/v1alpha1", "kind": "MeshInstall", "spec": {"version": "v0.1.0", "revsion": "a"}}]`),
		annotated("alm-examples", `[{"apiVersion": "meshwright.io/v1alpha1", "kind": "Other", "spec": {}}]`),
	},
	"everyVersionHasAnExample": {annotated("alm-examples", "[]")},
	"noRemovedAPIs":            {with("manifests/a.yaml", "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n")},

	"scorecard basic-check-spec": {annotated("alm-examples", `[{"apiVersion": "meshwright.io/v1alpha1", "kind": "MeshInstall"}]`)},
	"scorecard olm-crds-have-validation": {crd(func(c *apiextensionsv1.CustomResourceDefinition) {
		c.Spec.Versions[0].Schema = nil
	})},
	"scorecard olm-crds-have-resources": {csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Resources = nil })},
	"scorecard olm-spec-descriptors":    {csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Specs = nil }), csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Specs[0].Path = "none" })},
	"scorecard olm-status-descriptors": {
		csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Statuses[0].Path = "none" }),
		func(t *testing.T, f fstest.MapFS) {
			annotated("alm-examples", `[{"apiVersion": "meshwright.io/v1alpha1", "kind": "MeshInstall", "spec": {"version": "v0.1.0"}, "status": {"version": "v0.1.0"}}]`)(t, f)
			csv(func(c *CSV) { c.Spec.CRDs.Owned[0].Statuses = nil })(t, f)
		},
	},

	"imagesAreReferences": {csv(func(c *CSV) { c.Spec.RelatedImages = nil }), csv(func(c *CSV) { c.Spec.RelatedImages[0].Image = "no tag" })},
	"imagesAreThoseOfTheCatalogue": {
		csv(func(c *CSV) { c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].Image = "a.b/c:d" }),
		csv(func(c *CSV) {
			env := c.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers[0].Env
			env[len(env)-1].Value = "a.b/c:d"
		}),
		csv(func(c *CSV) { c.Spec.RelatedImages = append(c.Spec.RelatedImages, RelatedImage{"more", "a.b/c:d"}) }),
	},
	"imagesAreThoseOfTheCharts": {csv(func(c *CSV) { c.Spec.RelatedImages[0].Image = "a.b/c:d" })},
	"upgradeGraphHasNoHoles": {
		edit(templateFile, "- name: meshwright.v", "- replaces: meshwright.v0.0.1\n      name: meshwright.v"),
		edit(templateFile, "- name: meshwright.v", "- name: meshwright.v0.0.1\n    - name: meshwright.v"),
		edit(templateFile, "name: candidate\n", "name: other\n"),
		edit(templateFile, "defaultChannel: candidate", "defaultChannel: other"),
		edit(templateFile, "olm.template.basic", "olm.semver"),
		csv(func(c *CSV) { c.Spec.Replaces = "meshwright.v0.0.1" }),
	},
	"catalogueIsMapped": {
		edit(ciFile, "basic.yaml", "other.yaml"), edit(ciFile, "enabled: true", "enabled: false"), edit(releaseFile, "candidate", "stable"),
		edit(releaseFile, "basic.yaml", "other.yaml"), edit(ciFile, "olm.template.basic", "olm.semver"),
	},
}

// noise does not become smaller when it is compressed.
func noise(size int) string {
	out := make([]byte, size)
	state := uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789xy"[state>>26]
	}
	return string(out)
}

func TestEachCheckFindsWhatItIsFor(t *testing.T) {
	expected := agreeing(t)
	for _, c := range checks {
		if len(broken[c.name]) == 0 {
			t.Errorf("no broken bundle is there for %s", c.name)
		}
		for i, spoil := range broken[c.name] {
			files := copied(t)
			spoil(t, files)
			b, err := Read(files, expected)
			if err != nil {
				t.Fatalf("%s %d: %v", c.name, i, err)
			}
			if len(c.find(b)) == 0 {
				t.Errorf("%s does not find broken bundle %d", c.name, i)
			}
		}
	}
	if len(broken) != len(checks) {
		t.Errorf("%d checks have broken bundles, of %d", len(broken), len(checks))
	}
}

func TestOwnBundleIsRight(t *testing.T) {
	b, err := Read(copied(t), agreeing(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(b) {
		t.Error(f)
	}
	if b.Size() == 0 {
		t.Error("it weighs nothing")
	}
}

func TestGraphOfSeveralVersions(t *testing.T) {
	head := &CSV{Metadata: Metadata{Name: "m.v3"}, Spec: CSVSpec{Replaces: "m.v2", Skips: []string{"m.v1"}}}
	last := channelEntry{Name: "m.v3", Replaces: "m.v2", Skips: []string{"m.v1"}}
	cases := map[string]struct {
		entries []channelEntry
		holes   bool
	}{
		"each leads to the head":          {[]channelEntry{{Name: "m.v1"}, {Name: "m.v2"}, last}, false},
		"one leads to itself":             {[]channelEntry{{Name: "m.v1"}, {Name: "m.v2", Replaces: "m.v2"}, {Name: "m.v3"}}, true},
		"two replace each other":          {[]channelEntry{{Name: "m.v1", Replaces: "m.v2"}, {Name: "m.v2", Replaces: "m.v1"}, last}, true},
		"one was left behind":             {[]channelEntry{{Name: "m.v0"}, {Name: "m.v1"}, {Name: "m.v2"}, last}, true},
		"one is replaced and not there":   {[]channelEntry{{Name: "m.v1"}, last}, true},
		"one is there twice":              {[]channelEntry{{Name: "m.v1"}, {Name: "m.v1"}, {Name: "m.v2"}, last}, true},
		"the CSV replaces something else": {[]channelEntry{{Name: "m.v2"}, {Name: "m.v3", Replaces: "m.v2"}}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := holes(entry{Name: "stable", Entries: tc.entries}, head); (len(got) > 0) != tc.holes {
				t.Errorf("holes are %v", got)
			}
		})
	}
}
