package translate_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/envoy"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
)

// live is the real engine and server over objects that a test changes.
type live struct {
	engine  *push.Engine
	address string
	// objects are those that exist, by their text.
	objects map[string]bool
}

// goLive starts it. The listeners that are named can be reached on loopback,
// though only captured connections come to them.
func goLive(t *testing.T, reached ...string) *live {
	t.Helper()
	types := translate.Types()
	for i := range types {
		if types[i].URL == resource.Listener {
			types[i].Build = bindToLoopback(types[i].Build, reached)
		}
	}
	l := &live{objects: map[string]bool{}, engine: push.New(push.Config{
		Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf, Types: types,
		Strict: true, Log: logr.Discard(),
	})}
	go l.engine.Run(t.Context()) //nolint:errcheck // ends with the test
	server := grpc.NewServer(xds.Options()...)
	xds.New(xds.Config{Engine: l.engine, Log: logr.Discard()}).Register(server)
	listener := listen(t, "127.0.0.1", 0)
	go server.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(server.Stop)
	l.address = listener.Addr().(*net.TCPAddr).String()
	return l
}

// bindToLoopback keeps the listeners that are bound from the machine's network.
func bindToLoopback(build resource.Build, reached []string) resource.Build {
	return func(r mesh.Reader, name string) resource.Built {
		built := build(r, name)
		if l, ok := built.Msg.(*listenerv3.Listener); ok && (l.GetBindToPort() == nil || slices.Contains(reached, name)) && l.GetInternalListener() == nil {
			l = proto.Clone(l).(*listenerv3.Listener)
			onLoopback(l)
			built.Msg = l
		}
		return built
	}
}

// set makes an object exist or not.
func (l *live) set(t *testing.T, exists bool, texts ...string) {
	t.Helper()
	var changes []mesh.Change
	for _, text := range texts {
		object, err := ingest.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		result, _ := ingest.Object(meshtest.Domain, object)
		if !exists {
			result.Value = nil
		}
		l.objects[text] = exists
		changes = append(changes, mesh.Change{Key: result.Key, Value: result.Value})
	}
	l.engine.Apply(changes)
}

// settled waits until a proxy holds what a mesh of the objects that exist now
// gives it, and fails if it ever rejected something.
func (l *live) settled(t *testing.T, proxy *envoy.Proxy, p mesh.Proxy) {
	t.Helper()
	var docs [][]byte
	for text, exists := range l.objects {
		if exists {
			docs = append(docs, []byte(text))
		}
	}
	want := meshtest.Read(t, docs).Resources(t, p)
	eventually(t, func() string {
		for name, n := range proxy.Stats(t, `update_rejected$`) {
			if n != 0 {
				t.Fatalf("%s is %d\n%s", name, n, proxy.Log())
			}
		}
		stats := proxy.Stats(t, `^(listener|cluster)_manager\.`)
		for name, n := range map[string]int{
			"cluster_manager.active_clusters":         len(want[resource.Cluster]) + 2,
			"listener_manager.total_listeners_active": len(want[resource.Listener]),
			"cluster_manager.warming_clusters":        0,
		} {
			if stats[name] != int64(n) {
				return fmt.Sprintf("%s is %d, want %d", name, stats[name], n)
			}
		}
		for _, state := range l.engine.Proxies(t.Context()) {
			if !state.InSync {
				return fmt.Sprintf("%s is not in sync: %+v", state.ID, state)
			}
		}
		return virtualHosts(t, proxy, want)
	})
}

// virtualHosts says which virtual host is missing or too many in what Envoy
// holds, for the route configurations that its listeners use.
func virtualHosts(t *testing.T, proxy *envoy.Proxy, want meshtest.Resources) string {
	t.Helper()
	dump := string(proxy.ConfigDump(t, "dynamic_route_configs"))
	for _, name := range want.Names(resource.VirtualHost) {
		route, _, _ := strings.Cut(name, "/")
		if strings.Contains(dump, fmt.Sprintf("\"name\": %q,", route)) != strings.Contains(dump, fmt.Sprintf("%q", name)) {
			return name + " is missing"
		}
	}
	for word := range strings.SplitSeq(dump, `"name": "`) {
		name, _, _ := strings.Cut(word, `"`)
		// A listener that drains keeps what it had.
		route, _, inner := strings.Cut(name, "/")
		if inner && want[resource.VirtualHost][name] == nil && want[resource.Route][route] != nil {
			return name + " is too many"
		}
	}
	return ""
}

// TestEnvoyFollowsEveryChange removes and adds the objects of testdata/shop.yaml
// and sidecars.yaml at random, with a sidecar and a gateway looking on.
func TestEnvoyFollowsEveryChange(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, doc := range golden.Documents([]byte(readFile(t, "testdata/shop.yaml") + "---\n" + readFile(t, "testdata/sidecars.yaml"))) {
		texts = append(texts, string(doc))
	}
	l := goLive(t)
	l.set(t, true, texts...)
	l.engine.Synced()
	sds := ads.Serve(t, nil, ads.NewSVID(t, "shop", "front"))
	type running struct {
		mesh.Proxy
		envoy *envoy.Proxy
	}
	var proxies []running
	for id, p := range map[string]mesh.Proxy{
		"sidecar~10.244.0.10~front-1.shop~shop.svc.cluster.local":             front,
		"sidecar~10.244.0.42~db-0.shop~shop.svc.cluster.local":                {Type: mesh.ProxySidecar, Namespace: "shop", Pod: "db-0"},
		"router~10.244.0.90~edge.mesh-ingress~mesh-ingress.svc.cluster.local": router,
	} {
		proxies = append(proxies, running{p, envoy.Start(t, ads.Bootstrap(id, l.address, sds.Address()))})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 60 {
		batch := map[bool][]string{}
		for range 1 + random.IntN(4) {
			text := texts[random.IntN(len(texts))]
			if exists := !l.objects[text]; !slices.Contains(batch[exists], text) {
				batch[exists] = append(batch[exists], text)
			}
		}
		for _, exists := range []bool{false, true} {
			l.set(t, exists, batch[exists]...)
		}
		if step%10 == 9 {
			for _, p := range proxies {
				l.settled(t, p.envoy, p.Proxy)
			}
		}
	}
}
