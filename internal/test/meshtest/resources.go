package meshtest

import (
	"slices"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// Resources are all resources of a proxy, by type and name.
type Resources map[resource.TypeURL]map[string]proto.Message

// Resources builds every name that something gives rise to, for one proxy, and
// checks what it built: messages are valid, what they name is there, and the
// virtual hosts of a route configuration share no domain.
func (m *Mesh) Resources(t testing.TB, p mesh.Proxy) Resources {
	t.Helper()
	out := Resources{}
	var refs []resource.Name
	for _, kind := range translate.Types() {
		out[kind.URL] = map[string]proto.Message{}
		for _, name := range m.names(kind, p) {
			built := kind.Build(m.For(p), name)
			if built.Msg == nil {
				continue
			}
			validate(t, name, built.Msg)
			out[kind.URL][name] = built.Msg
			refs = append(refs, built.Refs...)
		}
	}
	for _, ref := range refs {
		if out[ref.Type][ref.Name] == nil {
			t.Errorf("%s %s is named by another resource, but the proxy does not get it", ref.Type, ref.Name)
		}
	}
	out.checkDomains(t)
	return out
}

// names are those that exist and are in the scope of a proxy.
func (m *Mesh) names(kind resource.Type, p mesh.Proxy) []string {
	names := slices.Clone(kind.Static)
	name := view.FactsOf(m, p).Fact(mesh.Fact{Kind: mesh.FactScope})
	scope, limited := m.Get(mesh.Key{Kind: mesh.KindScope, Name: name}).(*mesh.Scope)
	for _, k := range m.Keys {
		if !slices.Contains(kind.SpawnFrom, k.Kind) {
			continue
		}
		for _, n := range kind.Spawn(m, k) {
			if !limited || kind.Scoped == nil || !kind.Scoped(n) || scope.Has(k) {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Names are the names of a type, sorted.
func (r Resources) Names(kind resource.TypeURL) []string {
	var out []string
	for name := range r[kind] {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// List are the messages of a type, in the order of their names.
func (r Resources) List(kind resource.TypeURL) []proto.Message {
	var out []proto.Message
	for _, name := range r.Names(kind) {
		out = append(out, r[kind][name])
	}
	return out
}

// VirtualHosts are those of a route configuration, in the order of their names.
func (r Resources) VirtualHosts(route string) []*routev3.VirtualHost {
	var out []*routev3.VirtualHost
	for _, name := range r.Names(resource.VirtualHost) {
		if outer, _, _ := strings.Cut(name, "/"); outer == route {
			out = append(out, r[resource.VirtualHost][name].(*routev3.VirtualHost))
		}
	}
	return out
}

func (r Resources) checkDomains(t testing.TB) {
	t.Helper()
	for _, route := range r.Names(resource.Route) {
		owner := map[string]string{}
		for _, vh := range r.VirtualHosts(route) {
			for _, domain := range vh.GetDomains() {
				if other := owner[domain]; other != "" {
					t.Errorf("virtual hosts %s and %s both have the domain %s", other, vh.GetName(), domain)
				}
				owner[domain] = vh.GetName()
			}
			if r[resource.VirtualHost][vh.GetName()] != vh {
				t.Errorf("virtual host %s is named otherwise than its resource", vh.GetName())
			}
		}
	}
}

// validate applies the constraints that Envoy's API files state, also to what
// is packed in an Any.
func validate(t testing.TB, name string, m proto.Message) {
	t.Helper()
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	walk(t, name, m.ProtoReflect())
}

func walk(t testing.TB, name string, m protoreflect.Message) {
	t.Helper()
	if packed, ok := m.Interface().(*anypb.Any); ok {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		validate(t, name, inner)
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					walk(t, name, v.Message())
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				walk(t, name, v.List().Get(i).Message())
			}
		default:
			walk(t, name, v.Message())
		}
		return true
	})
}
