package convert

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Input is what there is to convert. Either Object is set, or any of Values and
// Gateways.
type Input struct {
	// Version of the mesh that is asked for.
	Version string
	// Object is an IstioOperator or an Istio.
	Object map[string]any
	// Values are those of Istio's charts base and istiod, one over the other.
	Values map[string]any
	// Gateways are the values of releases of Istio's chart gateway.
	Gateways []Release
}

// Release is one release of the chart gateway.
type Release struct {
	Namespace, Name string
	Values          map[string]any
}

// Finding is a field that the MeshInstall does not say.
type Finding struct {
	// Field is its path in the input.
	Field string `json:"field"`
	// Value is its value, as JSON, shortened.
	Value string `json:"value,omitempty"`
	// Instead says what to do.
	Instead string `json:"instead"`
}

// Result is what came of a conversion.
type Result struct {
	Install *v1alpha1.MeshInstall
	// Findings are in the order of their fields.
	Findings []Finding
}

// FieldError is a field whose value cannot be what it is.
type FieldError struct{ Field, Message string }

// Error is the field and the message.
func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// Convert makes a MeshInstall. An error of type *FieldError names a field of the
// input that has a wrong form.
func Convert(in Input) (*Result, error) {
	c := &conversion{version: in.Version}
	c.spec.Version = in.Version
	name := ""
	var err error
	switch kind, _ := in.Object["kind"].(string); {
	case in.Object == nil:
		err = c.helm(in)
	case kind == "IstioOperator":
		name, err = c.istioOperator(in.Object)
	case kind == "Istio":
		name, err = c.sail(in.Object)
	default:
		err = &FieldError{"kind", fmt.Sprintf("%q cannot be converted; give an IstioOperator, an Istio, or values of Helm charts", kind)}
	}
	if err != nil {
		return nil, err
	}
	install := &v1alpha1.MeshInstall{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MeshInstall"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       c.spec,
	}
	if !installName.MatchString(name) || len(name) > 30 {
		install.Name = "mesh"
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return strings.Compare(a.Field, b.Field) })
	return &Result{Install: install, Findings: c.findings}, nil
}

// installName is what the API server asks of a MeshInstall's name.
var installName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// conversion is one conversion under way.
type conversion struct {
	version  string
	spec     v1alpha1.MeshInstallSpec
	findings []Finding
	// at is the workload that the rules of workloads are about.
	at *workload
}

// note says that a field is not in the MeshInstall.
func (c *conversion) note(f field, instead string, args ...any) {
	c.findings = append(c.findings, Finding{Field: f.path, Value: f.short(), Instead: fmt.Sprintf(instead, args...)})
}

// value sets a value of the chart, by its path.
func (c *conversion) value(value any, path ...string) error {
	values := map[string]any{}
	if c.spec.Values != nil {
		if err := json.Unmarshal(c.spec.Values.Raw, &values); err != nil {
			return fmt.Errorf("read spec.values: %w", err)
		}
	}
	table := values
	for _, key := range path[:len(path)-1] {
		child, ok := table[key].(map[string]any)
		if !ok {
			child = map[string]any{}
			table[key] = child
		}
		table = child
	}
	table[path[len(path)-1]] = value
	raw, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("write spec.values: %w", err)
	}
	c.spec.Values = rawExtension(raw)
	return nil
}

func (c *conversion) meshConfig() *v1alpha1.MeshConfig {
	if c.spec.MeshConfig == nil {
		c.spec.MeshConfig = &v1alpha1.MeshConfig{}
	}
	return c.spec.MeshConfig
}

func (c *conversion) components() *v1alpha1.Components {
	if c.spec.Components == nil {
		c.spec.Components = &v1alpha1.Components{}
	}
	return c.spec.Components
}

func (c *conversion) images() *v1alpha1.Images {
	if c.spec.Images == nil {
		c.spec.Images = &v1alpha1.Images{}
	}
	return c.spec.Images
}

func (c *conversion) update() *v1alpha1.Update {
	if c.spec.Update == nil {
		c.spec.Update = &v1alpha1.Update{}
	}
	return c.spec.Update
}
