package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// DefaultTag also stands for the label istio-injection: enabled.
const DefaultTag = "default"

// TagsOf are the tags of a spec.
func TagsOf(spec v1alpha1.MeshInstallSpec) []string {
	if len(spec.Tags) == 0 {
		return []string{DefaultTag}
	}
	return spec.Tags
}

// ScopeOf selects the namespaces of a mesh, beside its own, by their labels. An
// error is of type *Invalid.
func ScopeOf(spec v1alpha1.MeshInstallSpec) (labels.Selector, error) {
	if spec.Scope == nil || spec.Scope.NamespaceSelector == nil {
		return labels.Everything(), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(spec.Scope.NamespaceSelector)
	if err != nil {
		return nil, &Invalid{v1alpha1.ReasonInvalidSpec, "spec.scope.namespaceSelector", err.Error()}
	}
	return selector, nil
}

// setScope makes the scope a list of requirements, in an order of its own so
// that how it is written changes no hash. The list of all namespaces is empty.
func setScope(values map[string]any, spec v1alpha1.MeshInstallSpec) error {
	if _, err := ScopeOf(spec); err != nil || spec.Scope == nil || spec.Scope.NamespaceSelector == nil {
		return err
	}
	wish := spec.Scope.NamespaceSelector
	requirements := slices.Clone(wish.MatchExpressions)
	for _, key := range slices.Sorted(maps.Keys(wish.MatchLabels)) {
		requirements = append(requirements, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{wish.MatchLabels[key]}})
	}
	var texts []string
	for _, r := range requirements {
		r.Values = unique(r.Values)
		raw, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write spec.scope.namespaceSelector: %w", err)
		}
		texts = append(texts, string(raw))
	}
	list := []any{}
	for _, text := range unique(texts) {
		var table map[string]any
		if err := json.Unmarshal([]byte(text), &table); err != nil {
			return fmt.Errorf("write spec.scope.namespaceSelector: %w", err)
		}
		list = append(list, table)
	}
	values["scope"] = list
	return nil
}

// checkTags refuses a tag that could be the name of a revision of its own mesh.
func checkTags(install string, tags []string) error {
	for _, tag := range tags {
		if namesRevision(tag, install) {
			return &Invalid{v1alpha1.ReasonInvalidSpec, "spec.tags", fmt.Sprintf("%s has the form of a revision's name of MeshInstall %s; choose another tag", tag, install)}
		}
	}
	return nil
}

var revisionHash = regexp.MustCompile(`^[0-9a-f]{10}$`)

// namesRevision reports whether a tag could be the name of a revision.
func namesRevision(tag, install string) bool {
	hash, ok := strings.CutPrefix(tag, install+"-")
	return ok && revisionHash.MatchString(hash)
}

// Claim is what a MeshInstall asks for that only one can have.
type Claim struct {
	// Install is the MeshInstall's name.
	Install string
	// Mesh is the namespace of its control plane, Gateways are those of its
	// gateways.
	Mesh     string
	Gateways []string
	Tags     []string
	// Scope selects its other namespaces.
	Scope labels.Selector
}

// ClaimOf is the claim of a spec, as far as it can be told: what is wrong with
// the spec, its own MeshInstall says, and spec.valuesFrom is not read.
func ClaimOf(install string, spec v1alpha1.MeshInstallSpec) Claim {
	spec = WithDefaults(spec)
	c := Claim{Install: install, Mesh: spec.Namespace, Tags: TagsOf(spec), Scope: labels.Nothing()}
	if scope, err := ScopeOf(spec); err == nil {
		c.Scope = scope
	}
	spec.ValuesFrom = nil
	values, err := resolve(Input{Install: install, Spec: spec, AdmissionPolicies: true})
	if err != nil {
		return c
	}
	for _, g := range values["gateways"].([]any) {
		namespace, _ := g.(map[string]any)["namespace"].(string)
		c.Gateways = append(c.Gateways, namespace)
	}
	return c
}

// ClaimOfRevision is what a revision has while it serves, whatever the spec asks
// for by now.
func ClaimOfRevision(record *v1alpha1.MeshRevision) (Claim, error) {
	var values struct {
		Namespace string                            `json:"namespace"`
		Tags      []string                          `json:"tags"`
		Scope     []metav1.LabelSelectorRequirement `json:"scope"`
		Gateways  []struct {
			Namespace string `json:"namespace"`
		} `json:"gateways"`
	}
	if err := json.Unmarshal(record.Spec.Values.Raw, &values); err != nil {
		return Claim{}, fmt.Errorf("read the values of MeshRevision %s: %w", record.Name, err)
	}
	scope, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchExpressions: values.Scope})
	if err != nil {
		return Claim{}, fmt.Errorf("read the scope of MeshRevision %s: %w", record.Name, err)
	}
	c := Claim{Install: record.Spec.Install, Mesh: values.Namespace, Tags: values.Tags, Scope: scope}
	for _, g := range values.Gateways {
		c.Gateways = append(c.Gateways, g.Namespace)
	}
	return c, nil
}

// Beside is nil when this claim can be met beside an older one, and else says
// what stands against it, as a person reads it. namespaces are the cluster's,
// with their labels.
func (c Claim) Beside(older Claim, namespaces map[string]labels.Set) error {
	refuse := func(field, format string, args ...any) error {
		return &Invalid{v1alpha1.ReasonAnotherMeshInstall, field, "MeshInstall " + older.Install + " is older and has " + fmt.Sprintf(format, args...)}
	}
	if older.owns(c.Mesh) {
		return refuse("spec.namespace", "namespace %s; set another", c.Mesh)
	}
	for _, namespace := range c.Gateways {
		if older.owns(namespace) {
			return refuse("spec.components.gateways", "namespace %s; give each gateway a namespace that no other mesh uses", namespace)
		}
	}
	for _, tag := range c.Tags {
		if slices.Contains(older.Tags, tag) {
			return refuse("spec.tags", "the tag %s; set other tags", tag)
		}
		if namesRevision(tag, older.Install) {
			return refuse("spec.tags", "revisions with names like the tag %s; choose another tag", tag)
		}
	}
	for _, tag := range older.Tags {
		if namesRevision(tag, c.Install) {
			return refuse("metadata.name", "the tag %s, which has the form of the name of a revision of this one; choose another name", tag)
		}
	}
	if older.Scope.Empty() {
		return refuse("spec.scope", "all namespaces; give it a spec.scope that leaves some to this one, or delete one of the two")
	}
	if namespace := c.shared(older, namespaces); namespace != "" {
		return refuse("spec.scope", "namespace %s too; select by labels that no namespace of the other mesh has", namespace)
	}
	return nil
}

// shared is the first namespace, by name, that both claim.
func (c Claim) shared(older Claim, namespaces map[string]labels.Set) string {
	names := slices.Concat(slices.Collect(maps.Keys(namespaces)), c.Gateways, older.Gateways, []string{c.Mesh, older.Mesh})
	for _, name := range unique(names) {
		if c.has(name, namespaces) && older.has(name, namespaces) {
			return name
		}
	}
	return ""
}

func (c Claim) owns(namespace string) bool {
	return namespace == c.Mesh || slices.Contains(c.Gateways, namespace)
}

// has reports whether a namespace is its own or selected. What does not exist
// yet has no labels to be selected by.
func (c Claim) has(namespace string, namespaces map[string]labels.Set) bool {
	set, exists := namespaces[namespace]
	return c.owns(namespace) || c.Scope.Empty() || exists && c.Scope.Matches(set)
}
