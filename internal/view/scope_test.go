package view_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/view"
)

// egress reads patterns as users write them, separated by blanks.
func egress(text string) []mesh.Egress {
	var out []mesh.Egress
	for word := range strings.FieldsSeq(text) {
		namespace, host, _ := strings.Cut(word, "/")
		rest, exclude := strings.CutPrefix(namespace, "~")
		out = append(out, mesh.Egress{Namespace: rest, Host: host, Exclude: exclude})
	}
	return out
}

func serviceIn(namespace, name string, exportTo ...string) mesh.Change {
	return mesh.Change{
		Key:   mesh.Key{Kind: mesh.KindService, Namespace: namespace, Name: name},
		Value: &mesh.Service{Namespace: namespace, Name: name, Hostname: name + "." + namespace + ".svc", ExportTo: exportTo},
	}
}

func routeTo(m mesh.Meta, host string, to ...string) mesh.Change {
	v := &mesh.VirtualService{Meta: m, Hosts: []string{host}, Gateways: []string{mesh.MeshGateway}, HTTP: []mesh.HTTPRoute{{}}}
	for _, d := range to {
		v.HTTP[0].Destinations = append(v.HTTP[0].Destinations, mesh.Destination{Host: d})
	}
	return change(mesh.KindVirtualService, m, v)
}

// TestWhatASidecarHolds lists the keys that a proxy in shop holds, as
// kind/namespace/name.
func TestWhatASidecarHolds(t *testing.T) {
	t.Parallel()
	services := []mesh.Change{
		serviceIn("shop", "front"), serviceIn("shop", "cart"), serviceIn("ops", "log"), serviceIn("ops", "secret", "."), serviceIn("legacy", "old"),
	}
	tests := map[string]struct {
		egress string
		routes []mesh.Change
		want   []string
	}{
		"the own namespace":               {"./*", nil, []string{"shop/cart", "shop/front"}},
		"one host":                        {"shop/cart.shop.svc", nil, []string{"shop/cart"}},
		"a host of any namespace":         {"*/log.ops.svc", nil, []string{"ops/log"}},
		"a host of another namespace":     {"shop/log.ops.svc", nil, nil},
		"what is exported only":           {"ops/*", nil, []string{"ops/log"}},
		"a suffix":                        {"*/*.ops.svc ./cart.shop.svc", nil, []string{"ops/log", "shop/cart"}},
		"nothing":                         {"~*/*", nil, nil},
		"an exclusion alone":              {"~ops/*", nil, nil},
		"all but a namespace":             {"*/* ~shop/*", nil, []string{"legacy/old", "ops/log"}},
		"all but a host":                  {"./* ~./cart.shop.svc", nil, []string{"shop/front"}},
		"what a VirtualService leads to":  {"./cart.shop.svc", []mesh.Change{routeTo(meta("shop", "r", 1), "cart.shop.svc", "log.ops.svc")}, []string{"ops/log", "shop/cart", "VirtualService/shop/r"}},
		"and what that leads to":          {"./cart.shop.svc", []mesh.Change{routeTo(meta("shop", "r", 1), "cart.shop.svc", "log.ops.svc"), routeTo(meta("ops", "r", 1), "log.ops.svc", "old.legacy.svc")}, []string{"legacy/old", "ops/log", "shop/cart", "VirtualService/ops/r", "VirtualService/shop/r"}},
		"even if that is excluded":        {"./* ~ops/*", []mesh.Change{routeTo(meta("shop", "r", 1), "cart.shop.svc", "log.ops.svc")}, []string{"ops/log", "shop/cart", "shop/front", "VirtualService/shop/r"}},
		"no VirtualService of others":     {"shop/cart.shop.svc", []mesh.Change{routeTo(meta("ops", "r", 1), "cart.shop.svc", "log.ops.svc")}, []string{"shop/cart"}},
		"one of any namespace":            {"*/cart.shop.svc", []mesh.Change{routeTo(meta("ops", "r", 1), "cart.shop.svc", "log.ops.svc")}, []string{"ops/log", "shop/cart", "VirtualService/ops/r"}},
		"a VirtualService of no service":  {"./*.example.com", []mesh.Change{routeTo(meta("shop", "r", 1), "a.example.com", "cart.shop.svc")}, []string{"shop/cart", "VirtualService/shop/r"}},
		"one whose wildcard may stand so": {"./a.example.com", []mesh.Change{routeTo(meta("shop", "r", 1), "*.example.com", "cart.shop.svc")}, []string{"shop/cart", "VirtualService/shop/r"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := meta("shop", "s", 1)
			objects := append([]mesh.Change{change(mesh.KindSidecar, m, &mesh.Sidecar{Meta: m, Egress: egress(tc.egress)})}, services...)
			mesh1 := meshtest.New(append(objects, tc.routes...)...)
			scope, ok := mesh1.Get(mesh.Key{Kind: mesh.KindScope, Name: view.FactsOf(mesh1, client).Fact(mesh.Fact{Kind: mesh.FactScope})}).(*mesh.Scope)
			if !ok {
				t.Fatal("the proxy has no scope")
			}
			var got []string
			for _, k := range scope.Keys {
				got = append(got, strings.TrimPrefix(k.String(), "Service/"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhichSidecarHolds(t *testing.T) {
	t.Parallel()
	sidecar := func(namespace, name string, age int, selector map[string]string) mesh.Change {
		m := meta(namespace, name, age)
		return change(mesh.KindSidecar, m, &mesh.Sidecar{Meta: m, Selector: selector, Egress: egress(namespace + "/" + name)})
	}
	app, other := map[string]string{"app": "back"}, map[string]string{"app": "other"}
	tests := map[string]struct {
		sidecars []mesh.Change
		want     string
	}{
		"none":                        {nil, ""},
		"the mesh's":                  {[]mesh.Change{sidecar("mesh-system", "a", 1, nil)}, "shop mesh-system/a"},
		"the namespace's before that": {[]mesh.Change{sidecar("mesh-system", "a", 9, nil), sidecar("shop", "b", 1, nil)}, "shop shop/b"},
		"the workload's before that":  {[]mesh.Change{sidecar("shop", "b", 9, nil), sidecar("shop", "c", 1, app)}, "shop shop/c"},
		"the oldest of several":       {[]mesh.Change{sidecar("shop", "b", 1, nil), sidecar("shop", "c", 2, nil)}, "shop shop/c"},
		"none for others":             {[]mesh.Change{sidecar("shop", "b", 1, other), sidecar("ops", "c", 1, nil)}, ""},
		"a selector of the root namespace does not reach out of it": {[]mesh.Change{sidecar("mesh-system", "a", 1, app)}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := view.FactsOf(meshtest.New(append(tc.sidecars, pod(app))...), client)
			if got := facts.Fact(mesh.Fact{Kind: mesh.FactScope}); got != tc.want {
				t.Errorf("the scope is %q, want %q", got, tc.want)
			}
			gateway := client
			gateway.Type = mesh.ProxyRouter
			if got := view.FactsOf(meshtest.New(append(tc.sidecars, pod(app))...), gateway).Fact(mesh.Fact{Kind: mesh.FactScope}); got != "" {
				t.Errorf("a gateway has the scope %q", got)
			}
		})
	}
}
