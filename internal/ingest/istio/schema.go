package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkSchema compares a JSON object with a message's descriptor. It reports
// unknown fields, wrong JSON types and unknown enum values, each with its path:
// the API's own decoder names the fault but not the place. A nil value counts
// as absent, as in Kubernetes.
func checkSchema(p *problems, at *field.Path, value any, md protoreflect.MessageDescriptor) {
	switch md.FullName() {
	case "google.protobuf.Duration":
		checkDurationText(p, at, value)
		return
	case "google.protobuf.BoolValue", "google.protobuf.UInt32Value", "google.protobuf.DoubleValue":
		checkScalar(p, at, value, md.Fields().ByName("value"))
		return
	}
	object, ok := value.(map[string]any)
	if !ok {
		p.refuse(at, "is %s, the API wants an object", jsonType(value))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if object[name] == nil {
			continue
		}
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			p.add(unknownField(at.Child(name), name, md))
			continue
		}
		checkField(p, at.Child(name), object[name], fd)
	}
}

func checkField(p *problems, at *field.Path, value any, fd protoreflect.FieldDescriptor) {
	switch {
	case fd.IsMap():
		entries, ok := value.(map[string]any)
		if !ok {
			p.refuse(at, "is %s, the API wants a map", jsonType(value))
			return
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if entries[key] != nil {
				checkSingle(p, at.Key(key), entries[key], fd.MapValue())
			}
		}
	case fd.IsList():
		entries, ok := value.([]any)
		if !ok {
			p.refuse(at, `is %s, the API wants a list: start each entry with "- "`, jsonType(value))
			return
		}
		for i, entry := range entries {
			if entry == nil {
				p.refuse(at.Index(i), "is empty; write the entry or remove it")
				continue
			}
			checkSingle(p, at.Index(i), entry, fd)
		}
	default:
		checkSingle(p, at, value, fd)
	}
}

func checkSingle(p *problems, at *field.Path, value any, fd protoreflect.FieldDescriptor) {
	if fd.Kind() == protoreflect.MessageKind {
		checkSchema(p, at, value, fd.Message())
		return
	}
	checkScalar(p, at, value, fd)
}

func checkScalar(p *problems, at *field.Path, value any, fd protoreflect.FieldDescriptor) {
	wrong := func(want string) { p.refuse(at, "is %s, the API wants %s", jsonType(value), want) }
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		if _, ok := value.(string); !ok {
			wrong("text: put it in quotes")
		}
	case protoreflect.BoolKind:
		if _, ok := value.(bool); !ok {
			wrong("true or false")
		}
	case protoreflect.EnumKind:
		checkEnum(p, at, value, fd.Enum())
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		if _, ok := number(value); !ok {
			wrong("a number")
		}
	default:
		n, ok := number(value)
		if !ok || n != float64(int64(n)) {
			wrong("a whole number")
			return
		}
		if low, high := bounds(fd.Kind()); n < low || n > high {
			p.refuse(at, "is %v; write a number from %.0f to %.0f", value, low, high)
		}
	}
}

// bounds of the integer kinds; 64 bit ones end where JSON numbers are exact.
func bounds(kind protoreflect.Kind) (low, high float64) {
	switch kind {
	case protoreflect.Uint32Kind:
		return 0, 1<<32 - 1
	case protoreflect.Uint64Kind:
		return 0, 1 << 53
	case protoreflect.Int32Kind:
		return -1 << 31, 1<<31 - 1
	default:
		return -1 << 53, 1 << 53
	}
}

func checkEnum(p *problems, at *field.Path, value any, ed protoreflect.EnumDescriptor) {
	text, ok := value.(string)
	if ok && ed.Values().ByName(protoreflect.Name(text)) != nil {
		return
	}
	var names []string
	hint := ""
	for i := range ed.Values().Len() {
		name := string(ed.Values().Get(i).Name())
		names = append(names, name)
		if letters(name) == letters(text) {
			hint = fmt.Sprintf("; did you mean %s?", name)
		}
	}
	p.refuse(at, "%q is not one of %s%s", fmt.Sprint(value), strings.Join(names, ", "), hint)
}

func checkDurationText(p *problems, at *field.Path, value any) {
	text, ok := value.(string)
	if !ok {
		p.refuse(at, `is %s, the API wants a duration with its unit, as "5s"`, jsonType(value))
		return
	}
	if _, err := time.ParseDuration(text); err != nil {
		p.refuse(at, `%q is not a duration; write a number and a unit, as "5s", "250ms" or "1h30m"`, text)
	}
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}

func jsonType(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the text %q", v)
	case bool:
		return fmt.Sprintf("%t", v)
	default:
		return fmt.Sprintf("the number %v", v)
	}
}

// letters is a name without case and separators, to find what was meant.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}
