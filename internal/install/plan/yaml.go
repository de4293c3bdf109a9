package plan

import (
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// WriteYAML prints all objects of the plan: the revision set, its door open to
// all namespaces, then the install set.
func (p *Plan) WriteYAML(w io.Writer) error {
	for _, set := range [][]*unstructured.Unstructured{p.RevisionSet, p.Door(Everywhere), p.InstallSet} {
		if err := WriteYAML(w, set); err != nil {
			return err
		}
	}
	return nil
}

// WriteYAML prints objects as a stream of YAML documents, each begun by "---".
func WriteYAML(w io.Writer, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		raw, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", raw); err != nil {
			return err
		}
	}
	return nil
}
