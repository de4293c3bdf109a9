package config_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/golden"
)

const operatorNamespace = "meshwright-operator"

// operator is what charts/operator installs with its own values.
func operator(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects, err := plan.Operator(operatorNamespace, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// isOperand tells the mesh's namespaces and rights from the operator's own.
func isOperand(o *unstructured.Unstructured) bool {
	if strings.HasPrefix(o.GetKind(), "ValidatingAdmissionPolicy") {
		return false // It guards the operator's rights.
	}
	return o.GetNamespace() != operatorNamespace && o.GetName() != "meshwright-operator" || o.GetKind() == "RoleBinding" && o.GetNamespace() != operatorNamespace
}

func TestOperandsAreWhatTheChartRenders(t *testing.T) {
	operands := slices.DeleteFunc(operator(t), func(o *unstructured.Unstructured) bool { return !isOperand(o) })
	var out bytes.Buffer
	out.WriteString("# Rendered from charts/operator by make golden; edit it there.\n")
	if err := plan.WriteYAML(&out, operands); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "operands/operands.yaml", out.Bytes())
}

// build is what kubectl apply -k makes of a folder, as key -> object.
func build(t *testing.T, folder string) map[string]map[string]any {
	t.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, r := range result.Resources() {
		raw, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		out[key(o)] = o.Object
	}
	return out
}

func key(o *unstructured.Unstructured) string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

func TestKustomizeAndHelmInstallTheSame(t *testing.T) {
	chart := map[string]map[string]any{}
	for _, o := range operator(t) {
		chart[key(o)] = o.Object
	}
	files, err := filepath.Glob("../charts/operator/crds/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("the chart has %d CRDs, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := yaml.YAMLToJSON(read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		chart[key(o)] = o.Object
	}
	kustomize := build(t, "default")
	// Helm makes its release's namespace by a flag.
	if kustomize["Namespace /"+operatorNamespace] == nil {
		t.Error("config/default does not make the operator's namespace")
	}
	delete(kustomize, "Namespace /"+operatorNamespace)
	if d := cmp.Diff(kustomize, chart); d != "" {
		t.Errorf("config/default (-) and charts/operator (+) differ:\n%s", d)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCRDsAreSmallAndEveryFieldIsDocumented(t *testing.T) {
	files, _ := filepath.Glob("crd/bases/*.yaml")
	if len(files) != 2 {
		t.Fatalf("found %d CRDs", len(files))
	}
	for _, file := range files {
		raw := read(t, file)
		if len(raw) > 100_000 {
			t.Errorf("%s has %d bytes", file, len(raw))
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
			t.Fatal(err)
		}
		for _, version := range crd.Spec.Versions {
			documented(t, file, *version.Schema.OpenAPIV3Schema)
		}
	}
}

func documented(t *testing.T, path string, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	for name, field := range schema.Properties {
		// controller-gen drops what one says about metadata.
		if field.Description == "" && name != "metadata" {
			t.Errorf("%s.%s has no description", path, name)
		}
		documented(t, path+"."+name, field)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		documented(t, path+"[]", *schema.Items.Schema)
	}
}

// rules are those of all roles, by the role's name.
func rules(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	out := map[string][]rbacv1.PolicyRule{}
	for name, object := range build(t, "default") {
		if !strings.HasPrefix(name, "ClusterRole ") && !strings.HasPrefix(name, "Role ") {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &role); err != nil {
			t.Fatal(err)
		}
		out[name] = role.Rules
	}
	return out
}

func TestRightsAreTheReviewedOnes(t *testing.T) {
	golden.YAML(t, "testdata/rights.golden.yaml", rules(t))
}

func TestNoRoleCanGiveItselfMore(t *testing.T) {
	all := rules(t)
	if len(all) < 7 {
		t.Fatalf("found only the roles %v", slices.Collect(maps.Keys(all)))
	}
	for name, list := range all {
		for _, rule := range list {
			for _, word := range slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups, rule.NonResourceURLs) {
				if strings.Contains(word, "*") || slices.Contains([]string{"bind", "escalate", "impersonate"}, word) {
					t.Errorf("%s has %q in %+v", name, word, rule)
				}
			}
			writes := slices.ContainsFunc(rule.Verbs, func(v string) bool { return !slices.Contains([]string{"get", "list", "watch"}, v) })
			if writes && slices.Contains(rule.APIGroups, rbacv1.GroupName) {
				t.Errorf("%s writes roles: %+v", name, rule)
			}
		}
	}
}

func TestNobodyReadsSecretsInTheWholeCluster(t *testing.T) {
	all := rules(t)
	for name, object := range build(t, "default") {
		if !strings.HasPrefix(name, "ClusterRoleBinding ") {
			continue
		}
		role, _, _ := unstructured.NestedString(object, "roleRef", "name")
		list, ok := all["ClusterRole /"+role]
		if !ok {
			t.Errorf("%s binds %s, which is not there", name, role)
		}
		for _, rule := range list {
			if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "configmaps") {
				t.Errorf("%s gives in the whole cluster: %+v", name, rule)
			}
		}
	}
	// The operator deletes what it cannot read.
	for _, rule := range all["ClusterRole /meshwright-operator-operands"] {
		if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.Verbs, []string{"delete"}) {
			t.Errorf("the operator may do %v with Secrets", rule.Verbs)
		}
	}
}

func TestSamplesRender(t *testing.T) {
	files, _ := filepath.Glob("samples/meshinstall_*.yaml")
	if len(files) < 3 {
		t.Fatalf("found %d samples", len(files))
	}
	for _, file := range files {
		var install v1alpha1.MeshInstall
		if err := yaml.UnmarshalStrict(read(t, file), &install); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if _, err := plan.New(plan.Input{Install: install.Name, Spec: install.Spec}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
