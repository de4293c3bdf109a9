package inject

import (
	"slices"

	"istio.io/api/label"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// namespaceLabel opts a namespace in to the default revision, or out of all.
const namespaceLabel = "istio-injection"

// defaultTag is the revision that istio-injection=enabled and
// sidecar.istio.io/inject=true mean.
const defaultTag = "default"

// systemNamespaces keep a cluster alive and are never injected.
var systemNamespaces = []string{"kube-node-lease", "kube-public", "kube-system"}

// Selector is one webhook of the injector's MutatingWebhookConfiguration: the
// pods that it is asked about. No two selectors of a revision meet in one pod.
type Selector struct {
	// Name is the first label of the webhook's name.
	Name string
	// Namespace and Object are its namespaceSelector and objectSelector.
	Namespace, Object metav1.LabelSelector
}

// Selectors are the labels that opt a pod in to the revision of c, with Istio's
// precedence: a namespace that says disabled wins over its pods; else a pod
// that says false is left out; istio-injection on the namespace wins over
// istio.io/rev on it; and a pod's own istio.io/rev or inject=true counts only
// where the namespace says nothing.
func Selectors(c *Config) []Selector {
	revisions := append([]string{c.Revision}, c.Tags...)
	slices.Sort(revisions)
	revisions = slices.Compact(revisions)

	outside := metav1.LabelSelectorRequirement{
		Key: metav1LabelName, Operator: metav1.LabelSelectorOpNotIn,
		Values: append([]string{c.MeshNamespace}, systemNamespaces...),
	}
	notRefused := in(label.SidecarInject.Name, metav1.LabelSelectorOpNotIn, "false")
	selector := func(requirements ...metav1.LabelSelectorRequirement) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: requirements}
	}

	selectors := []Selector{{
		Name:      "rev-namespace",
		Namespace: selector(outside, in(label.IoIstioRev.Name, metav1.LabelSelectorOpIn, revisions...), absent(namespaceLabel)),
		Object:    selector(notRefused),
	}, {
		Name:      "rev-object",
		Namespace: selector(outside, absent(label.IoIstioRev.Name), absent(namespaceLabel)),
		Object:    selector(notRefused, in(label.IoIstioRev.Name, metav1.LabelSelectorOpIn, revisions...)),
	}}
	if !slices.Contains(revisions, defaultTag) {
		return selectors
	}
	return append(selectors, Selector{
		Name:      "namespace",
		Namespace: selector(outside, in(namespaceLabel, metav1.LabelSelectorOpIn, "enabled")),
		Object:    selector(notRefused),
	}, Selector{
		Name:      "object",
		Namespace: selector(outside, absent(namespaceLabel), absent(label.IoIstioRev.Name)),
		Object:    selector(in(label.SidecarInject.Name, metav1.LabelSelectorOpIn, "true"), absent(label.IoIstioRev.Name)),
	})
}

// metav1LabelName is the label that the API server keeps on every namespace.
const metav1LabelName = "kubernetes.io/metadata.name"

func in(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
}

func absent(key string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpDoesNotExist}
}
