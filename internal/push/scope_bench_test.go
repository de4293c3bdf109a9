package push

import (
	"fmt"
	"testing"

	"github.com/meshwright/meshwright/internal/mesh"
)

// namespaceSidecar limits the proxies of a bench namespace to their own.
func namespaceSidecar(ns string, more ...mesh.Egress) mesh.Change {
	return mesh.Change{
		Key:   mesh.Key{Kind: mesh.KindSidecar, Namespace: ns, Name: "default"},
		Value: &mesh.Sidecar{Meta: mesh.Meta{Namespace: ns, Name: "default"}, Egress: append(more, mesh.Egress{Namespace: ".", Host: "*"})},
	}
}

// BenchmarkScope is the engine's work with 5,000 services and 1,000 proxies of
// 100 namespaces, each with a Sidecar that holds its own 50.
func BenchmarkScope(b *testing.B) {
	f := newFleet(b, benchProxies)
	var sidecars []mesh.Change
	for i := range benchNamespaces {
		sidecars = append(sidecars, namespaceSidecar(fmt.Sprintf("ns-%02d", i)))
	}
	f.engine.Apply(sidecars)
	f.settle()
	run := f.change(b)
	run("ServiceAddedOrDeleted", func(i int) []mesh.Change {
		changes := benchService(benchServices + i/2)
		if i%2 == 1 {
			changes[0].Value, changes[1].Value = nil, nil
		}
		return changes
	})
	run("SidecarOfANamespace", func(i int) []mesh.Change {
		host := fmt.Sprintf("svc-%04d.ns-%02d.svc.cluster.local", i%benchNamespaces, i%benchNamespaces)
		return []mesh.Change{namespaceSidecar("ns-00", mesh.Egress{Namespace: "*", Host: host})}
	})
	run("SidecarForNobody", func(i int) []mesh.Change {
		c := namespaceSidecar("ns-00", mesh.Egress{Namespace: "*", Host: fmt.Sprintf("h-%d", i)})
		c.Key.Name = "nobody"
		s := c.Value.(*mesh.Sidecar)
		s.Name, s.Selector = "nobody", map[string]string{"nobody": "x"}
		return []mesh.Change{c}
	})
	b.Run("Connect", func(b *testing.B) {
		f.bodies, f.bytes = 0, 0
		for b.Loop() {
			f.connect(0)
		}
		f.report(b)
		b.ReportMetric(float64(f.engine.leaves), "leaves")
	})
}
