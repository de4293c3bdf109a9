package plan

import (
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// labelNamespaceName is on every namespace, put there by the API server.
const labelNamespaceName = "kubernetes.io/metadata.name"

// Share says which namespaces a revision injects, of those that opt in. Each
// name is the value of the label kubernetes.io/metadata.name.
type Share struct {
	// Operator is In or NotIn; empty means every namespace.
	Operator metav1.LabelSelectorOperator
	// Names are sorted, each once.
	Names []string
}

// The two shares of a mesh with one revision that serves.
var (
	// Everywhere is every namespace, those that are made later too.
	Everywhere = Share{}
	// Nowhere is none: no namespace has the empty name.
	Nowhere = Share{Operator: metav1.LabelSelectorOpIn, Names: []string{""}}
)

// Assigned are the namespaces of one revision.
type Assigned struct {
	Revision   string
	Namespaces []string
}

// Shares divides all namespaces among revisions, so that each is in exactly
// one share, whether it is assigned, not assigned or not made yet: the revision
// with most namespaces (of several the first in the list) also has what nobody
// was assigned. No list of names is therefore longer than half of the
// assignment. A namespace must not be assigned twice. Where a share becomes
// wider and another narrower, the wider is to be written first: a pod that two
// revisions are asked about is injected once, and one that none is asked about
// never.
func Shares(assignment []Assigned) map[string]Share {
	shares := map[string]Share{}
	most := 0
	for i, a := range assignment {
		if len(a.Namespaces) > len(assignment[most].Namespaces) {
			most = i
		}
	}
	var others []string
	for i, a := range assignment {
		if i == most {
			continue
		}
		shares[a.Revision] = Nowhere
		if names := unique(a.Namespaces); len(names) > 0 {
			shares[a.Revision] = Share{metav1.LabelSelectorOpIn, names}
			others = append(others, names...)
		}
	}
	if len(assignment) > 0 {
		shares[assignment[most].Revision] = Everywhere
		if names := unique(others); len(names) > 0 {
			shares[assignment[most].Revision] = Share{metav1.LabelSelectorOpNotIn, names}
		}
	}
	return shares
}

func unique(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// Has reports whether a namespace is in the share.
func (s Share) Has(namespace string) bool {
	switch s.Operator {
	case metav1.LabelSelectorOpIn:
		return slices.Contains(s.Names, namespace)
	case metav1.LabelSelectorOpNotIn:
		return !slices.Contains(s.Names, namespace)
	}
	return true
}

// selectors are the places of the namespace selectors in the objects of a door.
var selectors = map[string]func(o *unstructured.Unstructured) []map[string]any{
	"MutatingWebhookConfiguration": func(o *unstructured.Unstructured) []map[string]any {
		var out []map[string]any
		webhooks, _ := o.Object["webhooks"].([]any)
		for _, w := range webhooks {
			out = append(out, table(w.(map[string]any), "namespaceSelector"))
		}
		return out
	},
	"MutatingAdmissionPolicyBinding": func(o *unstructured.Unstructured) []map[string]any {
		return []map[string]any{table(table(o.Object["spec"].(map[string]any), "matchResources"), "namespaceSelector")}
	},
}

// The values of injector.door. No rendered revision has doorAuto.
const (
	doorAuto    = "auto"
	doorPolicy  = "policy"
	doorWebhook = "webhook"
)

// setDoor decides for a policy where the API server has policies, unless the
// user decided.
func setDoor(values map[string]any, policies bool) error {
	injector := table(values, "injector")
	switch {
	case injector["door"] == doorPolicy && !policies:
		return &Invalid{v1alpha1.ReasonInvalidValues, "spec.values.injector.door",
			"this API server does not serve MutatingAdmissionPolicy (Kubernetes 1.36 does); set auto or webhook"}
	case injector["door"] != doorAuto:
	case policies:
		injector["door"] = doorPolicy
	default:
		injector["door"] = doorWebhook
	}
	return nil
}

// NeedsRootCert reports whether Door has to know the root bundle: a webhook
// reads it by itself.
func (p *Plan) NeedsRootCert() bool {
	injector, _ := p.values["injector"].(map[string]any)
	return injector["door"] == doorPolicy
}

// setRootCert makes the root bundle the variable of a policy. Go's escapes are
// CEL's too.
func setRootCert(o *unstructured.Unstructured, rootCert string) {
	spec, _ := o.Object["spec"].(map[string]any)
	variables, _ := spec["variables"].([]any)
	for _, v := range variables {
		if variable := v.(map[string]any); variable["name"] == "rootCert" {
			variable["expression"] = strconv.QuoteToASCII(rootCert)
		}
	}
}

// table is the table of a key; one that is missing is made.
func table(parent map[string]any, key string) map[string]any {
	if child, ok := parent[key].(map[string]any); ok {
		return child
	}
	child := map[string]any{}
	parent[key] = child
	return child
}

// Door is what injects pods for this revision, in the namespaces of the share.
// Beside Everywhere and Nowhere, Shares makes shares. The objects are the
// caller's.
func (p *Plan) Door(share Share) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range p.door {
		o = o.DeepCopy()
		if o.GetKind() == "MutatingAdmissionPolicy" {
			setRootCert(o, p.RootCert)
		}
		if places := selectors[o.GetKind()]; places != nil && share.Operator != "" {
			for _, selector := range places(o) {
				expressions, _ := selector["matchExpressions"].([]any)
				selector["matchExpressions"] = append(expressions, map[string]any{
					"key": labelNamespaceName, "operator": string(share.Operator), "values": anys(share.Names),
				})
			}
		}
		out = append(out, o)
	}
	return out
}
