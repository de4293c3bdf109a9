package bundlecheck

import (
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func examplesHaveASpec(b *Bundle) (m messages) {
	for _, example := range b.examples {
		_, ok := example.Object["spec"]
		m.want(ok, "the example %s %s has no spec", example.GetKind(), example.GetName())
	}
	return m
}

func everyVersionHasAnExample(b *Bundle) (m messages) {
	shown := map[string]bool{}
	for _, example := range b.examples {
		shown[example.GetAPIVersion()+" "+example.GetKind()] = true
	}
	for _, crd := range b.crds {
		for _, v := range crd.Spec.Versions {
			key := crd.Spec.Group + "/" + v.Name + " " + crd.Spec.Names.Kind
			m.want(!v.Served || shown[key], "%s has no example", key)
		}
	}
	return m
}

// examplesAreValid holds the examples against the CRDs, all but CEL's rules:
// for those one needs an API server.
func examplesAreValid(b *Bundle) (m messages) {
	text := b.csv().Metadata.Annotations["alm-examples"]
	m.want(json.Valid([]byte(text)) && len(b.examples) > 0, "alm-examples is no list in JSON")
	for _, example := range b.examples {
		if err := b.validate(example); err != nil {
			m.add("the example %s %s: %v", example.GetKind(), example.GetName(), err)
		}
	}
	return m
}

// validate compares an object with the schema of its kind, strictly.
func (b *Bundle) validate(o *unstructured.Unstructured) error {
	for _, crd := range b.crds {
		for _, v := range crd.Spec.Versions {
			if crd.Spec.Names.Kind != o.GetKind() || crd.Spec.Group+"/"+v.Name != o.GetAPIVersion() || v.Schema == nil {
				continue
			}
			raw, err := json.Marshal(v.Schema.OpenAPIV3Schema)
			if err != nil {
				return fmt.Errorf("write the schema: %w", err)
			}
			return matches(raw, o.Object)
		}
	}
	return fmt.Errorf("no CRD is of %s %s", o.GetAPIVersion(), o.GetKind())
}

func matches(schema []byte, value any) error {
	var document map[string]any
	if err := json.Unmarshal(schema, &document); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	seal(document)
	// An API server knows metadata by itself.
	delete(document["properties"].(map[string]any), "metadata")
	document["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		return fmt.Errorf("compile the schema: %w", err)
	}
	return compiled.Validate(value)
}

// seal makes fields that the schema does not know a mistake, as an API server
// that is asked strictly does.
func seal(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	_, open := schema["additionalProperties"]
	if schema["x-kubernetes-preserve-unknown-fields"] == true {
		open = true
	}
	if schema["type"] == "object" && !open && len(properties) > 0 {
		schema["additionalProperties"] = false
	}
	for _, field := range properties {
		if f, ok := field.(map[string]any); ok {
			seal(f)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if f, ok := schema[key].(map[string]any); ok {
			seal(f)
		}
	}
}
