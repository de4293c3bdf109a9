package view_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/view"
)

// change is a value at the key of its Meta.
func change(kind mesh.Kind, m mesh.Meta, v mesh.Value) mesh.Change {
	return mesh.Change{Key: mesh.Key{Kind: kind, Namespace: m.Namespace, Name: m.Name}, Value: v}
}

func meta(namespace, name string, age int) mesh.Meta {
	return mesh.Meta{Namespace: namespace, Name: name, Created: time.Unix(int64(1000-age), 0)}
}

func pod(labels map[string]string) mesh.Change {
	return mesh.Change{
		Key:   mesh.Key{Kind: mesh.KindWorkload, Namespace: "shop", Name: "p"},
		Value: &mesh.Workload{Namespace: "shop", Name: "p", Labels: labels, Meshed: true},
	}
}

var client = mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "shop", Pod: "p"}

func TestInboundModes(t *testing.T) {
	t.Parallel()
	policy := func(m mesh.Meta, mode mesh.MTLSMode, selector map[string]string, ports ...mesh.PortMTLS) mesh.Change {
		return change(mesh.KindPeerAuthentication, m, &mesh.PeerAuthentication{Meta: m, Mode: mode, Selector: selector, Ports: ports})
	}
	app := map[string]string{"app": "back"}
	tests := map[string]struct {
		policies []mesh.Change
		mode     mesh.MTLSMode
		port     mesh.MTLSMode // of 9000
	}{
		"Istio's default":                       {nil, mesh.MTLSPermissive, mesh.MTLSPermissive},
		"the mesh's":                            {[]mesh.Change{policy(meta("mesh-system", "a", 1), mesh.MTLSStrict, nil)}, mesh.MTLSStrict, mesh.MTLSStrict},
		"the namespace's before the mesh's":     {[]mesh.Change{policy(meta("mesh-system", "a", 1), mesh.MTLSStrict, nil), policy(meta("shop", "a", 1), mesh.MTLSDisable, nil)}, mesh.MTLSDisable, mesh.MTLSDisable},
		"another namespace's":                   {[]mesh.Change{policy(meta("other", "a", 1), mesh.MTLSStrict, nil)}, mesh.MTLSPermissive, mesh.MTLSPermissive},
		"the workload's before the namespace's": {[]mesh.Change{policy(meta("shop", "a", 1), mesh.MTLSDisable, nil), policy(meta("shop", "b", 1), mesh.MTLSStrict, app)}, mesh.MTLSStrict, mesh.MTLSStrict},
		"another workload's":                    {[]mesh.Change{policy(meta("shop", "b", 1), mesh.MTLSStrict, map[string]string{"app": "x"})}, mesh.MTLSPermissive, mesh.MTLSPermissive},
		"the oldest of two":                     {[]mesh.Change{policy(meta("shop", "a", 1), mesh.MTLSDisable, nil), policy(meta("shop", "b", 2), mesh.MTLSStrict, nil)}, mesh.MTLSStrict, mesh.MTLSStrict},
		"unset means the wider one":             {[]mesh.Change{policy(meta("mesh-system", "a", 1), mesh.MTLSStrict, nil), policy(meta("shop", "a", 1), mesh.MTLSUnset, nil)}, mesh.MTLSStrict, mesh.MTLSStrict},
		"a port before its workload":            {[]mesh.Change{policy(meta("shop", "b", 1), mesh.MTLSStrict, app, mesh.PortMTLS{Port: 9000, Mode: mesh.MTLSDisable})}, mesh.MTLSStrict, mesh.MTLSDisable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := meshtest.New(append(tc.policies, pod(app))...)
			asked := view.ProxyInbound(m.For(client))
			known := m.Get(mesh.Key{Kind: view.KindInbound, Namespace: "shop", Name: "p"})
			if diff := cmp.Diff(mesh.Value(asked), known); diff != "" {
				t.Errorf("the proxy and its clients disagree (-proxy +client):\n%s", diff)
			}
			if asked.Of(80) != tc.mode || asked.Of(9000) != tc.port {
				t.Errorf("modes are %s and %s, want %s and %s", asked.Of(80), asked.Of(9000), tc.mode, tc.port)
			}
		})
	}
}

func TestPolicyOf(t *testing.T) {
	t.Parallel()
	const host = "back.shop.svc.cluster.local"
	service := &mesh.Service{Namespace: "shop", Name: "back", Hostname: host}
	rule := func(m mesh.Meta, host string, algorithm mesh.Algorithm, edit ...func(*mesh.DestinationRule)) mesh.Change {
		d := &mesh.DestinationRule{Meta: m, Host: host}
		if algorithm != "" {
			d.Policy.LoadBalancer = &mesh.LoadBalancer{Algorithm: algorithm}
		}
		for _, e := range edit {
			e(d)
		}
		return change(mesh.KindDestinationRule, m, d)
	}
	only := func(exportTo ...string) func(*mesh.DestinationRule) {
		return func(d *mesh.DestinationRule) { d.ExportTo = exportTo }
	}
	selecting := func(v string) func(*mesh.DestinationRule) {
		return func(d *mesh.DestinationRule) { d.WorkloadSelector = map[string]string{"app": v} }
	}
	subset := func(name string) func(*mesh.DestinationRule) {
		return func(d *mesh.DestinationRule) { d.Subsets = append(d.Subsets, mesh.Subset{Name: name}) }
	}
	tests := map[string]struct {
		rules   []mesh.Change
		want    mesh.Algorithm // "" for none
		subsets []string
	}{
		"none":                           {},
		"the service's namespace":        {rules: []mesh.Change{rule(meta("shop", "a", 1), host, mesh.Random)}, want: mesh.Random},
		"the root namespace comes last":  {rules: []mesh.Change{rule(meta("mesh-system", "a", 9), host, mesh.Random), rule(meta("shop", "a", 1), "*", mesh.Maglev)}, want: mesh.Maglev},
		"a name before a wildcard":       {rules: []mesh.Change{rule(meta("shop", "a", 9), "*.shop.svc.cluster.local", mesh.Random), rule(meta("shop", "b", 1), host, mesh.Maglev)}, want: mesh.Maglev},
		"a third namespace":              {rules: []mesh.Change{rule(meta("other", "a", 1), host, mesh.Random)}},
		"not exported to the client":     {rules: []mesh.Change{rule(meta("mesh-system", "a", 1), host, mesh.Random, only("other"))}},
		"exported to the client":         {rules: []mesh.Change{rule(meta("mesh-system", "a", 1), host, mesh.Random, only("shop"))}, want: mesh.Random},
		"a rule that selects the client": {rules: []mesh.Change{rule(meta("shop", "a", 9), host, mesh.Random), rule(meta("shop", "b", 1), host, mesh.Maglev, selecting("front"))}, want: mesh.Maglev},
		"a rule that selects another":    {rules: []mesh.Change{rule(meta("shop", "a", 1), host, mesh.Random), rule(meta("shop", "b", 9), host, mesh.Maglev, selecting("x"))}, want: mesh.Random},
		"two rules are merged, the oldest first": {
			rules: []mesh.Change{rule(meta("shop", "a", 1), host, mesh.Random, subset("v1")), rule(meta("shop", "b", 9), host, mesh.Maglev, subset("v2"))},
			want:  mesh.Maglev, subsets: []string{"v2", "v1"},
		},
		"an older rule without a policy leaves it to the next": {
			rules: []mesh.Change{rule(meta("shop", "a", 9), host, "", subset("v1")), rule(meta("shop", "b", 1), host, mesh.Maglev)},
			want:  mesh.Maglev, subsets: []string{"v1"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := meshtest.New(append(tc.rules, pod(map[string]string{"app": "front"}))...)
			got := view.PolicyOf(m.For(client), service)
			var algorithm mesh.Algorithm
			if lb := got.Traffic.LoadBalancer; lb != nil {
				algorithm = lb.Algorithm
			}
			var subsets []string
			for _, s := range got.Subsets {
				subsets = append(subsets, s.Name)
			}
			if diff := cmp.Diff(tc.subsets, subsets); diff != "" || algorithm != tc.want {
				t.Errorf("algorithm %q, want %q; subsets (-want +got):\n%s", algorithm, tc.want, diff)
			}
		})
	}
}

func TestPolicyForPortAndSubset(t *testing.T) {
	t.Parallel()
	lb := func(a mesh.Algorithm) *mesh.LoadBalancer { return &mesh.LoadBalancer{Algorithm: a} }
	pool, tls := &mesh.ConnectionPool{MaxConnections: 1}, &mesh.ClientTLS{Mode: mesh.TLSDisable}
	top := mesh.TrafficPolicy{LoadBalancer: lb(mesh.Random), Pool: pool, Ports: []mesh.PortPolicy{{Port: 81, Policy: mesh.TrafficPolicy{TLS: tls}}}}
	plain := mesh.TrafficPolicy{LoadBalancer: lb(mesh.Random), Pool: pool}
	tests := map[string]struct {
		subset *mesh.Subset
		port   int32
		want   mesh.TrafficPolicy
	}{
		"the host's":                             {nil, 80, plain},
		"a port's replaces the whole":            {nil, 81, mesh.TrafficPolicy{TLS: tls}},
		"a subset without one has the host's":    {&mesh.Subset{}, 80, plain},
		"a subset's replaces part by part":       {&mesh.Subset{Policy: mesh.TrafficPolicy{LoadBalancer: lb(mesh.Maglev)}}, 80, mesh.TrafficPolicy{LoadBalancer: lb(mesh.Maglev), Pool: pool}},
		"a subset's port replaces the whole":     {&mesh.Subset{Policy: mesh.TrafficPolicy{Pool: pool, Ports: []mesh.PortPolicy{{Port: 80, Policy: mesh.TrafficPolicy{TLS: tls}}}}}, 80, mesh.TrafficPolicy{TLS: tls}},
		"a subset's part over the port's policy": {&mesh.Subset{Policy: mesh.TrafficPolicy{LoadBalancer: lb(mesh.Maglev)}}, 81, mesh.TrafficPolicy{LoadBalancer: lb(mesh.Maglev), TLS: tls}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, view.Policy{Traffic: top}.For(tc.subset, tc.port)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVirtualServiceChoice(t *testing.T) {
	t.Parallel()
	vs := func(m mesh.Meta, host string, exportTo ...string) mesh.Change {
		return change(mesh.KindVirtualService, m, &mesh.VirtualService{Meta: m, Hosts: []string{host}, Gateways: []string{mesh.MeshGateway}, ExportTo: exportTo})
	}
	tests := map[string]struct {
		list []mesh.Change
		want string
	}{
		"none":                         {nil, ""},
		"the oldest":                   {[]mesh.Change{vs(meta("a", "young", 1), "a.b"), vs(meta("z", "old", 2), "a.b")}, "old"},
		"by name if of the same age":   {[]mesh.Change{vs(meta("b", "second", 1), "a.b"), vs(meta("a", "first", 1), "a.b")}, "first"},
		"a name before a wildcard":     {[]mesh.Change{vs(meta("a", "wide", 9), "*.b"), vs(meta("a", "narrow", 1), "a.b")}, "narrow"},
		"a wildcard":                   {[]mesh.Change{vs(meta("a", "wide", 9), "*.b")}, "wide"},
		"the oldest that is exported":  {[]mesh.Change{vs(meta("a", "hidden", 9), "a.b", "."), vs(meta("a", "seen", 1), "a.b", "shop")}, "seen"},
		"a wildcard if the name hides": {[]mesh.Change{vs(meta("a", "hidden", 9), "a.b", "~"), vs(meta("a", "wide", 1), "*")}, "wide"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if found := view.VirtualService(meshtest.New(tc.list...).For(client), mesh.MeshGateway, "a.b"); found != nil {
				got = found.Name
			}
			if got != tc.want {
				t.Errorf("chosen is %q, want %q", got, tc.want)
			}
		})
	}
}
