package golden

import (
	"fmt"
	"reflect"
	"time"

	"sigs.k8s.io/yaml"
)

// Marshal writes plain values (structs, pointers, lists, maps with string keys)
// as YAML. A struct field that has its zero value is left out, so a pointer to
// 0 is told from nil. Embedded structs are inlined.
func Marshal(v any) ([]byte, error) { return yaml.Marshal(plain(reflect.ValueOf(v))) }

func plain(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	case []byte:
		return string(x)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return plain(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		structFields(v, out)
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[fmt.Sprint(k.Interface())] = plain(v.MapIndex(k))
		}
		return out
	default:
		return v.Interface()
	}
}

func structFields(v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case !field.IsExported() || v.Field(i).IsZero():
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			structFields(v.Field(i), out)
		default:
			out[field.Name] = plain(v.Field(i))
		}
	}
}
