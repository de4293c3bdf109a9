package plan

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Access is what an administrator applies so that a mesh may live in its
// namespace and its gateways: the namespaces, the service accounts and the
// bindings, as the operator's chart has them. operatorNamespace is where the
// operator runs.
func Access(operatorNamespace, mesh string, gateways []string) ([]*unstructured.Unstructured, error) {
	objects, err := operatorChart(operatorNamespace, map[string]any{
		"operandNamespaces": map[string]any{"mesh": []any{mesh}, "gateways": anys(gateways)},
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		if o.GroupVersionKind().Group == "admissionregistration.k8s.io" {
			return true // they guard the operator's rights
		}
		return o.GetNamespace() == operatorNamespace || o.GetKind() == "ClusterRole" || o.GetName() == "meshwright-operator" && o.GetKind() == "ClusterRoleBinding"
	}), nil
}

// Operator is the operator itself, as its chart installs it with these values
// over the chart's own. CRDs are not among the objects.
func Operator(namespace string, values map[string]any) ([]*unstructured.Unstructured, error) {
	return operatorChart(namespace, values)
}

func operatorChart(namespace string, values map[string]any) ([]*unstructured.Unstructured, error) {
	c, err := loadChart("operator")
	if err != nil {
		return nil, err
	}
	out, err := renderChart(c, values, chartutil.ReleaseOptions{Name: "meshwright", Namespace: namespace})
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for path, text := range out {
		o, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("read what %s rendered: %w", path, err)
		}
		objects = append(objects, o...)
	}
	sortObjects(objects)
	return objects, nil
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// ReadAccess is what an administrator applies so that the operator may read
// one object of spec.valuesFrom.
func ReadAccess(operatorNamespace, namespace string, from v1alpha1.ValuesSource) []*unstructured.Unstructured {
	name := "meshwright-operator-values-" + from.Name
	metadata := map[string]any{"name": name, "namespace": namespace}
	return []*unstructured.Unstructured{
		{Object: map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
			"rules": []any{map[string]any{
				"apiGroups": []any{""}, "resources": []any{strings.ToLower(string(from.Kind)) + "s"},
				"resourceNames": []any{from.Name}, "verbs": []any{"get"},
			}},
		}},
		{Object: map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "meshwright-operator", "namespace": operatorNamespace}},
		}},
	}
}
