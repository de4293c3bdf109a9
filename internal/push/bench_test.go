package push

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

const (
	benchServices   = 5000
	benchNamespaces = 100
	benchProxies    = 1000
	benchZones      = 3
)

// fleet is an engine over the real translation with many proxies that hold
// everything and answer at once, without reading what they are sent.
type fleet struct {
	engine  *Engine
	streams []*stream
	bodies  int
	bytes   int
}

func benchService(i int) []mesh.Change {
	ns, name := fmt.Sprintf("ns-%02d", i%benchNamespaces), fmt.Sprintf("svc-%04d", i)
	svc := &mesh.Service{
		Namespace: ns, Name: name, Hostname: name + "." + ns + ".svc.cluster.local",
		Addresses: []string{fmt.Sprintf("10.96.%d.%d", i/250, i%250)}, Selector: map[string]string{"app": name},
		Ports: []mesh.ServicePort{{Name: "http", Number: 8080, Protocol: mesh.ProtocolHTTP, TargetPort: 8080}},
	}
	return []mesh.Change{
		{Key: mesh.Key{Kind: mesh.KindService, Namespace: ns, Name: name}, Value: svc},
		{Key: mesh.Key{Kind: mesh.KindEndpointSlice, Namespace: ns, Name: name}, Value: benchSlice(i, 0)},
	}
}

func benchSlice(i, version int) *mesh.EndpointSlice {
	ns, name := fmt.Sprintf("ns-%02d", i%benchNamespaces), fmt.Sprintf("svc-%04d", i)
	return &mesh.EndpointSlice{
		Namespace: ns, Name: name, Service: name, Ports: []mesh.EndpointPort{{Name: "http", Number: 8080}},
		Endpoints: []mesh.Endpoint{{Addresses: []string{fmt.Sprintf("10.%d.%d.%d", version%200, i/250, i%250)}, Ready: true, Zone: fmt.Sprintf("z%d", i%benchZones)}},
	}
}

func newFleet(b *testing.B, proxies int) *fleet {
	b.Helper()
	f := &fleet{engine: New(Config{
		Store: mesh.NewStore(realRoom.indexes()), Derivations: realRoom.derivations(), FactsOf: realRoom.factsOf,
		Types: realRoom.types(), Log: logr.Discard(),
	})}
	changes := []mesh.Change{{Key: mesh.ConfigKey, Value: &mesh.Config{
		TrustDomain: "cluster.local", ClusterID: "c", ClusterDomain: "cluster.local", RootNamespace: "mesh-system",
		MTLS: mesh.MTLSPermissive, OutboundAllowAny: true,
	}}}
	for i := range benchServices {
		changes = append(changes, benchService(i)...)
	}
	f.engine.Apply(changes)
	f.engine.step()
	for i := range proxies {
		f.connect(i)
	}
	f.bodies, f.bytes = 0, 0
	return f
}

// connect brings one proxy up, type by type.
func (f *fleet) connect(i int) {
	ns := fmt.Sprintf("ns-%02d", i%benchNamespaces)
	s := f.engine.Connect(mesh.Proxy{
		ID: fmt.Sprint(i), Type: mesh.ProxySidecar, Namespace: ns, Pod: fmt.Sprintf("pod-%d", i), ServiceAccount: "default",
		Labels: map[string]string{"app": fmt.Sprintf("svc-%04d", i)}, Locality: fmt.Sprintf("r/z%d/", i%benchZones),
	}).(*stream)
	f.streams = append(f.streams, s)
	s.Request(&cache.Request{Type: resource.Cluster})
	f.settle()
	var names []string
	for _, k := range f.engine.byURL[resource.Endpoints].slots {
		if k != nil && s.admits(k.kind, f.engine.target(k)) {
			names = append(names, k.name)
		}
	}
	s.Request(&cache.Request{Type: resource.Endpoints, Subscribe: names})
	s.Request(&cache.Request{Type: resource.Listener})
	s.Request(&cache.Request{Type: resource.Route, Subscribe: []string{"8080"}})
	s.Request(&cache.Request{Type: resource.VirtualHost})
	f.settle()
}

// settle lets all streams take what there is and accept it.
func (f *fleet) settle() {
	f.engine.step()
	for moved := true; moved; {
		moved = false
		for _, s := range f.streams {
			select {
			case p := <-s.pushes:
				moved = true
				for _, r := range p.Responses {
					f.bodies += len(r.Resources)
					f.bytes += r.Size()
					s.Request(&cache.Request{Type: r.Type, Nonce: r.Nonce})
				}
				s.Written()
			default:
			}
		}
		f.engine.step()
	}
}

func (f *fleet) report(b *testing.B) {
	b.ReportMetric(float64(f.bodies)/float64(b.N), "resources/op")
	b.ReportMetric(float64(f.bytes)/float64(b.N), "sent-B/op")
}

// change returns what runs a benchmark of one kind of change after the other.
func (f *fleet) change(b *testing.B) func(name string, changes func(i int) []mesh.Change) {
	return func(name string, changes func(i int) []mesh.Change) {
		b.Run(name, func(b *testing.B) {
			f.bodies, f.bytes = 0, 0
			n := 0
			for b.Loop() {
				n++
				f.engine.Apply(changes(n))
				f.settle()
			}
			f.report(b)
		})
	}
}

// BenchmarkChange is the engine's work per kind of change with 5,000 services
// and 1,000 proxies: everything but gRPC and the network.
func BenchmarkChange(b *testing.B) {
	f := newFleet(b, benchProxies)
	run := f.change(b)
	run("endpoint", func(i int) []mesh.Change {
		at := i % benchServices
		return []mesh.Change{{Key: benchService(at)[1].Key, Value: benchSlice(at, i)}}
	})
	run("VirtualService", func(i int) []mesh.Change {
		ns := fmt.Sprintf("ns-%02d", i%benchNamespaces)
		host := fmt.Sprintf("svc-%04d.%s.svc.cluster.local", i%benchNamespaces, ns)
		return []mesh.Change{{Key: mesh.Key{Kind: mesh.KindVirtualService, Namespace: ns, Name: "v"}, Value: &mesh.VirtualService{
			Meta: mesh.Meta{Namespace: ns, Name: "v"}, Hosts: []string{host}, Gateways: []string{mesh.MeshGateway},
			HTTP: []mesh.HTTPRoute{{Timeout: time.Duration(i) * time.Second, Destinations: []mesh.Destination{{Host: host}}}},
		}}}
	})
	run("ServiceAddedOrDeleted", func(i int) []mesh.Change {
		changes := benchService(benchServices + i/2)
		if i%2 == 1 {
			changes[0].Value, changes[1].Value = nil, nil
		}
		return changes
	})
	run("PolicyForNobody", func(i int) []mesh.Change {
		return []mesh.Change{{Key: mesh.Key{Kind: mesh.KindPeerAuthentication, Namespace: "ns-00", Name: "p"}, Value: &mesh.PeerAuthentication{
			Meta: mesh.Meta{Namespace: "ns-00", Name: "p", Generation: int64(i)}, Selector: map[string]string{"nobody": fmt.Sprint(i)}, Mode: mesh.MTLSStrict,
		}}}
	})
}

// BenchmarkConnect is the engine's work for one more proxy.
func BenchmarkConnect(b *testing.B) {
	f := newFleet(b, 3*benchNamespaces)
	b.Run("twin", func(b *testing.B) {
		for b.Loop() {
			f.connect(0)
		}
		b.ReportMetric(float64(f.engine.leaves), "leaves")
	})
}

// BenchmarkFirstProxy is what nobody has asked for before.
func BenchmarkFirstProxy(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := newFleet(b, 0)
		b.StartTimer()
		f.connect(0)
	}
}
