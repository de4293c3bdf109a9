package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An expression stands between these marks in a string that celValue writes.
const (
	exprBegin = "⟦"
	exprEnd   = "⟧"
)

// expr is a string that becomes this expression of CEL.
func expr(text string) string { return exprBegin + text + exprEnd }

// celValue writes a JSON value as an expression of CEL. Values of maps are
// dynamic, because a literal of CEL may not mix types.
func celValue(value any) string {
	switch v := value.(type) {
	case string:
		return celString(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = celValue(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, celString(key)+": dyn("+celValue(v[key])+")")
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(value)
}

// celString writes a string, and the expressions in it.
func celString(text string) string {
	var parts []string
	for text != "" {
		literal, rest, found := strings.Cut(text, exprBegin)
		if literal != "" || !found {
			parts = append(parts, quoteCEL(literal))
		}
		expression, after, _ := strings.Cut(rest, exprEnd)
		if found {
			parts = append(parts, expression)
		}
		text = after
	}
	if len(parts) == 0 {
		return `""`
	}
	return strings.Join(parts, " + ")
}

// quoteCEL writes a literal; JSON's escapes are CEL's too.
func quoteCEL(text string) string {
	out, err := encodeJSON(text)
	if err != nil {
		panic(err) // a string can be written
	}
	return out
}

// encodeJSON is JSON in which no character is escaped that need not be.
func encodeJSON(value any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// celObject is an API object as celValue takes it.
func celObject(object any) map[string]any {
	raw, err := json.Marshal(object)
	if err != nil {
		panic(err) // API objects can be written
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	// Whole numbers stay whole.
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		panic(err) // it was written a moment ago
	}
	return out
}
