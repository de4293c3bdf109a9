package config_test

import (
	"bytes"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
