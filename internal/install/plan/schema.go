package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"helm.sh/helm/v3/pkg/chart"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// compiled keeps the schemas of charts, which never change.
var compiled sync.Map // *chart.Chart -> *jsonschema.Schema

func schemaOf(c *chart.Chart) (*jsonschema.Schema, error) {
	if s, ok := compiled.Load(c); ok {
		return s.(*jsonschema.Schema), nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.Schema))
	if err != nil {
		return nil, fmt.Errorf("read the schema of chart %s: %w", c.Name(), err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("values.schema.json", document); err != nil {
		return nil, fmt.Errorf("read the schema of chart %s: %w", c.Name(), err)
	}
	s, err := compiler.Compile("values.schema.json")
	if err != nil {
		return nil, fmt.Errorf("compile the schema of chart %s: %w", c.Name(), err)
	}
	compiled.Store(c, s)
	return s, nil
}

// checkValues is an *Invalid for the first of a user's values, by path, that
// the chart does not have, that is not the user's to set, or that is of a wrong
// form. field is where the values stand in the MeshInstall.
func checkValues(c *chart.Chart, values map[string]any, field string) error {
	schema, err := schemaOf(c)
	if err != nil {
		return err
	}
	mistakes := readOnly(schema, values, nil)
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(any(values)); errors.As(err, &invalid) {
		mistakes = append(mistakes, leaves(schema, invalid)...)
	} else if err != nil {
		return fmt.Errorf("check the values in %s: %w", field, err)
	}
	if len(mistakes) == 0 {
		return nil
	}
	first := slices.MinFunc(mistakes, func(a, b mistake) int {
		return cmp.Or(slices.Compare(a.path, b.path), cmp.Compare(a.message, b.message))
	})
	return &Invalid{v1alpha1.ReasonInvalidValues, field + pathText(first.path), first.message}
}

// mistake is one value that cannot be.
type mistake struct {
	path    []string
	message string
}

// readOnly finds the values that a user may not set.
func readOnly(s *jsonschema.Schema, values map[string]any, path []string) []mistake {
	var out []mistake
	s = resolved(s)
	for key, value := range values {
		property := s.Properties[key]
		if property == nil {
			continue
		}
		at := append(slices.Clone(path), key)
		if property.ReadOnly {
			out = append(out, mistake{at, "this is not set here: " + property.Description})
			continue
		}
		if table, ok := value.(map[string]any); ok {
			out = append(out, readOnly(property, table, at)...)
		}
	}
	return out
}

// leaves are the mistakes at the ends of the validator's tree.
func leaves(s *jsonschema.Schema, e *jsonschema.ValidationError) []mistake {
	var out []mistake
	for _, cause := range e.Causes {
		out = append(out, leaves(s, cause)...)
	}
	if len(e.Causes) > 0 {
		return out
	}
	unknown, ok := e.ErrorKind.(*kind.AdditionalProperties)
	if !ok {
		return []mistake{{e.InstanceLocation, e.ErrorKind.LocalizedString(message.NewPrinter(language.English))}}
	}
	known := slices.Sorted(maps.Keys(schemaAt(s, e.InstanceLocation).Properties))
	for _, key := range unknown.Properties {
		text := "the chart has no such value"
		if near := nearest(key, known); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		} else {
			text += "; there are: " + strings.Join(known, ", ")
		}
		out = append(out, mistake{append(slices.Clone(e.InstanceLocation), key), text})
	}
	return out
}

// schemaAt is the part of a schema for a place in the values.
func schemaAt(s *jsonschema.Schema, location []string) *jsonschema.Schema {
	s = resolved(s)
	for _, step := range location {
		if next := s.Properties[step]; next != nil {
			s = resolved(next)
		} else if s.Items2020 != nil {
			s = resolved(s.Items2020)
		}
	}
	return s
}

func resolved(s *jsonschema.Schema) *jsonschema.Schema {
	for s.Ref != nil {
		s = s.Ref
	}
	return s
}

// pathText writes a path as people do: .gateways[0].name.
func pathText(path []string) string {
	var out strings.Builder
	for _, step := range path {
		if _, err := strconv.Atoi(step); err == nil {
			out.WriteString("[" + step + "]")
		} else {
			out.WriteString("." + step)
		}
	}
	return out.String()
}

// nearest is the known name that is fewest edits away from a word, if that is
// at most a third of the word, and one at least.
func nearest(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, name := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
