package istio

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/meshwright/meshwright/internal/mesh"
)

// words are values of text that are right somewhere and wrong elsewhere.
var words = []string{
	"", "a", "back", "back.shop.svc.cluster.local", "*", "*.example.com", "*x", "ns/host", "./host", "a/b/c", "~", ".", "mesh",
	"(", "[a-z]+", `\1`, `\`, "\x00", "X-Header", ":authority", "HTTPS", "http", "TCP", "GET", "5xx,503", "gateway-error", "ä", "A_B",
}

// TestNoObjectBreaksUs reads thousands of random objects: each is refused or
// served, without a panic, and the same way each time.
func TestNoObjectBreaksUs(t *testing.T) {
	t.Parallel()
	const rounds = 1500
	served := 0
	for kind, test := range kindsUnderTest {
		random := rand.New(rand.NewPCG(1, 2))
		for range rounds {
			m := test.new()
			fill(random, m.ProtoReflect(), 0)
			raw, err := json.Marshal(m)
			if err != nil {
				continue // e.g. a duration beyond JSON's range
			}
			first, problems := read(t, kind, raw)
			second, _ := read(t, kind, raw)
			if (first == nil) != (second == nil) || first != nil && !first.Equal(second) {
				t.Fatalf("%s: two readings differ: %s", kind, raw)
			}
			refused := false
			for _, p := range problems {
				refused = refused || p.Refused
				if p.Message == "" || p.Reason == "" {
					t.Errorf("%s: a Problem says nothing: %+v", kind, p)
				}
			}
			if refused != (first == nil) && kind != mesh.KindVirtualService {
				t.Fatalf("%s: refused %t, value %v: %s", kind, refused, first, raw)
			}
			if first != nil {
				served++
			}
		}
	}
	if served < rounds/10 {
		t.Errorf("only %d of the random objects were served: the test sees too little", served)
	}
}

func read(t *testing.T, kind mesh.Kind, raw []byte) (mesh.Value, []mesh.Problem) {
	t.Helper()
	var spec map[string]any
	if err := json.Unmarshal(raw, &spec); err != nil {
		t.Fatal(err)
	}
	r := reader{problems: &problems{}, domain: "cluster.local", meta: mesh.Meta{Namespace: "shop"}}
	value := r.value(kind, spec)
	if r.refused() {
		value = nil
	}
	return value, r.sorted()
}

func fill(random *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if random.IntN(3+depth) != 0 {
			continue
		}
		switch {
		case fd.IsMap():
			entries := m.Mutable(fd).Map()
			value := entries.NewValue()
			if fd.MapValue().Kind() == protoreflect.MessageKind {
				fill(random, value.Message(), depth+1)
			} else {
				value = scalar(random, fd.MapValue())
			}
			entries.Set(scalar(random, fd.MapKey()).MapKey(), value)
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range 1 + random.IntN(2) {
				value := list.NewElement()
				if fd.Kind() == protoreflect.MessageKind {
					fill(random, value.Message(), depth+1)
				} else {
					value = scalar(random, fd)
				}
				list.Append(value)
			}
		case fd.Kind() == protoreflect.MessageKind:
			fill(random, m.Mutable(fd).Message(), depth+1)
		default:
			m.Set(fd, scalar(random, fd))
		}
	}
}

func scalar(random *rand.Rand, fd protoreflect.FieldDescriptor) protoreflect.Value {
	n := []int64{-1, 0, 1, 80, 100, 443, 70000}[random.IntN(7)]
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(words[random.IntN(len(words))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n > 1)
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(random.IntN(values.Len())).Number())
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(max(n, 0)))
	default:
		return protoreflect.ValueOfUint64(uint64(max(n, 0)))
	}
}
