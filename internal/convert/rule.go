package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// rule says what becomes of a field and all below it.
type rule struct {
	// path is the field's, below where its table is used. One that ends in .* is
	// of all fields of a table that have none.
	path string
	// to is the field of the MeshInstall; empty when there is none.
	to string
	// says is for the reader: what to do instead where to is empty, else what
	// there is to know.
	says string
	// take puts the value where it belongs; nil says that there is no counterpart.
	take func(*conversion, field) error
}

// field is a field of the input: its whole path, and its value.
type field struct {
	path  string
	value any
}

// below is a field of this one.
func (f field) below(key string) field {
	value, _ := f.value.(map[string]any)
	return field{join(f.path, key), value[key]}
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// maxShort is the length of a value that is shown.
const maxShort = 80

// short is the value as people read it.
func (f field) short() string {
	raw, err := json.Marshal(f.value)
	if err != nil {
		return "?"
	}
	text := strings.Trim(string(raw), `"`)
	if len(text) > maxShort {
		text = strings.ToValidUTF8(text[:maxShort], "") + " …"
	}
	return text
}

func (f field) wrong(want string) error {
	return &FieldError{f.path, fmt.Sprintf("%s is not %s", f.short(), want)}
}

func (f field) text() (string, error) {
	if text, ok := f.value.(string); ok {
		return text, nil
	}
	return "", f.wrong("a text")
}

// flag is true or false; people write both as texts too.
func (f field) flag() (bool, error) {
	switch v := f.value.(type) {
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b, nil
		}
	}
	return false, f.wrong("true or false")
}

func (f field) number() (int32, error) {
	switch v := f.value.(type) {
	case int64:
		return int32(v), nil
	case float64:
		if v == float64(int32(v)) {
			return int32(v), nil
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 32); err == nil {
			return int32(n), nil
		}
	}
	return 0, f.wrong("a whole number")
}

func (f field) list() ([]field, error) {
	items, ok := f.value.([]any)
	if !ok {
		return nil, f.wrong("a list")
	}
	var out []field
	for i, item := range items {
		out = append(out, field{fmt.Sprintf("%s[%d]", f.path, i), item})
	}
	return out, nil
}

// into decodes the value strictly into a pointer.
func (f field) into(out any) error {
	raw, err := json.Marshal(f.value)
	if err != nil {
		return f.wrong("a value of JSON")
	}
	unknown, err := kjson.UnmarshalStrict(raw, out)
	if err == nil && len(unknown) > 0 {
		err = unknown[0]
	}
	if err != nil {
		return &FieldError{f.path, err.Error()}
	}
	return nil
}

// unknown is what is said of a field that no table has.
const unknown = "Istio as we know it has no such field; look for a typing error, or leave it out"

// walk gives each field below f to its rule. A table that no rule has as a whole
// is walked through; a field that no rule has is a Finding.
func (c *conversion) walk(rules []rule, f field) error { return c.walkFrom(rules, f, "") }

func (c *conversion) walkFrom(rules []rule, f field, at string) error {
	if f.value == nil {
		return nil
	}
	if r := ruleOf(rules, at); r != nil && r.take == nil {
		c.note(f, "%s", r.says)
		return nil
	} else if r != nil {
		return r.take(c, f)
	}
	known := at == "" || slices.ContainsFunc(rules, func(r rule) bool { return strings.HasPrefix(r.path, at+".") })
	if !known {
		c.note(f, unknown)
		return nil
	}
	table, ok := f.value.(map[string]any)
	if !ok {
		return f.wrong("a table")
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if err := c.walkFrom(rules, f.below(key), join(at, key)); err != nil {
			return err
		}
	}
	return nil
}

// ruleOf is the rule of a path; where only some fields of a table have one, the
// others may have that of path.*.
func ruleOf(rules []rule, path string) *rule {
	find := func(path string) *rule {
		if i := slices.IndexFunc(rules, func(r rule) bool { return r.path == path }); i >= 0 {
			return &rules[i]
		}
		return nil
	}
	if r := find(path); r != nil || slices.ContainsFunc(rules, func(r rule) bool { return strings.HasPrefix(r.path, path+".") }) {
		return r
	}
	if i := strings.LastIndex(path, "."); i >= 0 {
		return find(path[:i] + ".*")
	}
	return nil
}

// as takes a value that the mesh has always, and notes any other.
func as(want any, instead string) func(*conversion, field) error {
	return func(c *conversion, f field) error {
		got := f.value
		if _, ok := want.(bool); ok {
			b, err := f.flag()
			if err != nil {
				return err
			}
			got = b
		}
		if !reflect.DeepEqual(got, want) {
			c.note(f, "%s", instead)
		}
		return nil
	}
}

// always is a rule for a field that the mesh has one value of.
func always(path string, want any, instead string) rule {
	return rule{path: path, to: fmt.Sprintf("as it is, where it is `%v`", want), says: instead, take: as(want, instead)}
}

// none are rules for fields without a counterpart.
func none(says string, paths ...string) []rule {
	var out []rule
	for _, path := range paths {
		out = append(out, rule{path: path, says: says})
	}
	return out
}

func rawExtension(raw []byte) *runtime.RawExtension { return &runtime.RawExtension{Raw: raw} }
