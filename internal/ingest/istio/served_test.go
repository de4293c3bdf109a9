package istio

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	securityv1beta1 "istio.io/api/security/v1beta1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
)

// kindUnderTest is one served kind with examples that together set every served
// field, each in a way that matters.
type kindUnderTest struct {
	new      func() proto.Message
	table    served
	examples []string
}

var kindsUnderTest = map[mesh.Kind]kindUnderTest{
	mesh.KindVirtualService: {
		new: func() proto.Message { return &networkingv1alpha3.VirtualService{} }, table: servedVirtualService,
		examples: exampleVirtualServices,
	},
	mesh.KindDestinationRule: {
		new: func() proto.Message { return &networkingv1alpha3.DestinationRule{} }, table: servedDestinationRule,
		examples: exampleDestinationRules(),
	},
	mesh.KindGateway: {
		new: func() proto.Message { return &networkingv1alpha3.Gateway{} }, table: servedGateway,
		examples: exampleGateways,
	},
	mesh.KindSidecar: {
		new: func() proto.Message { return &networkingv1alpha3.Sidecar{} }, table: servedSidecar,
		examples: exampleSidecars,
	},
	mesh.KindPeerAuthentication: {
		new: func() proto.Message { return &securityv1beta1.PeerAuthentication{} }, table: servedPeerAuthentication,
		examples: examplePeerAuthentications,
	},
}

func TestEveryKindThatIsServedIsUnderTest(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds {
		if _, ok := kindsUnderTest[mesh.Kind(kind.Kind)]; ok != kind.Served {
			t.Errorf("%s: served %t, tested %t", kind.Kind, kind.Served, ok)
		}
	}
}

// TestEveryFieldIsServedOrNamed walks every field of each message of the API: a
// leaf that is not in the table must be named, by itself or by what holds it,
// as soon as it is set; and the table names leaves that exist.
func TestEveryFieldIsServedOrNamed(t *testing.T) {
	t.Parallel()
	for kind, test := range kindsUnderTest {
		leaves := map[string]bool{}
		walkLeaves(test.new().ProtoReflect().Descriptor(), nil, func(trail []protoreflect.FieldDescriptor) {
			name := dotted(trail)
			leaves[name] = true
			m := test.new()
			setLeaf(m.ProtoReflect(), trail)
			p := &problems{}
			test.table.report(p, field.NewPath("spec"), m.ProtoReflect())
			switch {
			case test.table.leaves[name]:
				if len(p.list) != 0 {
					t.Errorf("%s: %s is served, and named as unserved: %v", kind, name, p.list)
				}
			case len(p.list) != 1 || !p.list[0].Unserved:
				t.Errorf("%s: %s is dropped in silence: %v", kind, name, p.list)
			case !strings.HasPrefix("spec."+name, withoutIndices(p.list[0].Field)):
				t.Errorf("%s: %s is named as %s", kind, name, p.list[0].Field)
			}
		})
		for leaf := range test.table.leaves {
			if !leaves[leaf] {
				t.Errorf("%s: the table has %q, the API has not", kind, leaf)
			}
		}
	}
}

// TestEveryServedFieldMatters clears one served field of an example at a time:
// the outcome must be another, else the field is served by name only.
func TestEveryServedFieldMatters(t *testing.T) {
	t.Parallel()
	for kind, test := range kindsUnderTest {
		seen := map[string]bool{}
		for _, example := range test.examples {
			m := test.new()
			if err := yaml.Unmarshal([]byte(example), m); err != nil {
				t.Fatalf("%s: %v\n%s", kind, err, example)
			}
			before := outcome(t, kind, m)
			if before.Value == nil {
				t.Fatalf("%s: the example is refused: %v\n%s", kind, before.Problems, example)
			}
			clearings(m.ProtoReflect(), "", func(name string) {
				seen[name] = true
				if test.table.leaves[name] && cmp.Equal(before, outcome(t, kind, m)) {
					t.Errorf("%s: %s is in the table, but means nothing in\n%s", kind, name, example)
				}
			})
		}
		for leaf := range test.table.leaves {
			if !seen[leaf] {
				t.Errorf("%s: no example sets %s", kind, leaf)
			}
		}
	}
}

type result struct {
	Value    mesh.Value
	Problems []mesh.Problem
}

func outcome(t *testing.T, kind mesh.Kind, m proto.Message) result {
	t.Helper()
	raw, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// Protobuf's JSON quotes 64 bit numbers, the CRD wants them bare.
	raw = regexp.MustCompile(`((?:minimumRingSize|tableSize): )"(\d+)"`).ReplaceAll(raw, []byte("$1$2"))
	var spec map[string]any
	if err := yaml.Unmarshal(raw, &spec); err != nil {
		t.Fatal(err)
	}
	r := reader{problems: &problems{}, domain: "cluster.local", meta: mesh.Meta{Namespace: "shop"}}
	value := r.value(kind, spec)
	return result{value, r.sorted()}
}

// isLeaf: what is not a message, and the messages that stand for one value.
func isLeaf(fd protoreflect.FieldDescriptor) bool {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	return fd.Kind() != protoreflect.MessageKind || strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.")
}

func element(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		return fd.MapValue().Message()
	}
	return fd.Message()
}

func walkLeaves(md protoreflect.MessageDescriptor, trail []protoreflect.FieldDescriptor, visit func([]protoreflect.FieldDescriptor)) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		here := append(trail[:len(trail):len(trail)], fd)
		if isLeaf(fd) {
			visit(here)
			continue
		}
		walkLeaves(element(fd), here, visit)
	}
}

func dotted(trail []protoreflect.FieldDescriptor) string {
	names := make([]string, len(trail))
	for i, fd := range trail {
		names[i] = fd.JSONName()
	}
	return strings.Join(names, ".")
}

// withoutIndices turns spec.a[0].b[x] into spec.a.b.
func withoutIndices(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// setLeaf sets one leaf to something that counts as set.
func setLeaf(m protoreflect.Message, trail []protoreflect.FieldDescriptor) {
	fd := trail[0]
	if len(trail) > 1 {
		setLeaf(child(m, fd), trail[1:])
		return
	}
	switch {
	case fd.IsMap():
		entries := m.Mutable(fd).Map()
		entries.Set(sample(fd.MapKey()).MapKey(), sampleOr(entries.NewValue, fd.MapValue()))
	case fd.IsList():
		list := m.Mutable(fd).List()
		list.Append(sampleOr(list.NewElement, fd))
	default:
		m.Set(fd, sampleOr(func() protoreflect.Value { return m.NewField(fd) }, fd))
	}
}

func child(m protoreflect.Message, fd protoreflect.FieldDescriptor) protoreflect.Message {
	switch {
	case fd.IsMap():
		entries := m.Mutable(fd).Map()
		return entries.Mutable(sample(fd.MapKey()).MapKey()).Message()
	case fd.IsList():
		return m.Mutable(fd).List().AppendMutable().Message()
	default:
		return m.Mutable(fd).Message()
	}
}

func sampleOr(empty func() protoreflect.Value, fd protoreflect.FieldDescriptor) protoreflect.Value {
	if fd.Kind() == protoreflect.MessageKind {
		return empty()
	}
	return sample(fd)
}

func sample(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(fd.Enum().Values().Get(fd.Enum().Values().Len() - 1).Number())
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1)
	default:
		panic("a kind that the API did not use: " + fd.Kind().String())
	}
}

// clearings clears each set leaf in turn, visits, and puts it back.
func clearings(m protoreflect.Message, prefix string, visit func(name string)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		name := strings.TrimPrefix(prefix+"."+fd.JSONName(), ".")
		if isLeaf(fd) {
			old := proto.Clone(m.Interface()).ProtoReflect().Get(fd)
			m.Clear(fd)
			visit(name)
			m.Set(fd, old)
			continue
		}
		each(m.Get(fd), fd, nil, func(_ *field.Path, inner protoreflect.Message) { clearings(inner, name, visit) })
	}
}
