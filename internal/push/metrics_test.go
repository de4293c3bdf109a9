package push_test

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// TestRejectionsAreCountedFromZero is what lets an alert see the first of them:
// a series that begins with one has no increase.
func TestRejectionsAreCountedFromZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	push.New(push.Config{Store: mesh.NewStore(view.Indexes()), Types: translate.Types(), Registry: registry})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for _, family := range families {
		if family.GetName() == "meshwright_xds_nacks_total" {
			begun = len(family.GetMetric())
		}
	}
	if want := len(translate.Types()); begun != want {
		t.Errorf("%d types are counted, want %d", begun, want)
	}
}

// TestAChangeIsTimedUntilItIsWrittenAndAnswered follows one change to one proxy.
func TestAChangeIsTimedUntilItIsWrittenAndAnswered(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := push.New(push.Config{
		Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf,
		Types: translate.Types(), Registry: registry, Strict: true, Log: logr.Discard(),
	})
	go e.Run(t.Context()) //nolint:errcheck // ends with the test
	service := func(port int32) mesh.Change {
		return mesh.Change{Key: mesh.Key{Kind: mesh.KindService, Namespace: "shop", Name: "back"}, Value: &mesh.Service{
			Namespace: "shop", Name: "back", Hostname: "back.shop.svc.cluster.local",
			Ports: []mesh.ServicePort{{Name: "http", Number: port, Protocol: mesh.ProtocolHTTP}},
		}}
	}
	e.Apply([]mesh.Change{{Key: mesh.ConfigKey, Value: &mesh.Config{TrustDomain: "cluster.local", ClusterDomain: "cluster.local"}}, service(8080)})
	e.Synced()
	s := e.Connect(mesh.Proxy{ID: "sidecar", Type: mesh.ProxySidecar, Namespace: "shop", Pod: "front"})
	s.Request(&cache.Request{Type: resource.Cluster})
	first := <-s.Pushes()
	s.Written()
	s.Request(&cache.Request{Type: resource.Cluster, Nonce: first.Responses[0].Nonce})
	// The connection itself is about no change.
	e.Proxies(t.Context())
	if written, answered := count(t, registry, "push"), count(t, registry, "ack"); written != 0 || answered != 1 {
		t.Errorf("after the first push: %d written and %d answered, want 0 and 1", written, answered)
	}
	e.Apply([]mesh.Change{service(9090)})
	<-s.Pushes()
	s.Written()
	e.Proxies(t.Context())
	if written := count(t, registry, "push"); written != 1 {
		t.Errorf("after a change: %d written, want 1", written)
	}
}

// count is how many times a histogram has.
func count(t *testing.T, registry *prometheus.Registry, what string) uint64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "meshwright_xds_"+what+"_seconds" {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	t.Fatalf("no times of %s", what)
	return 0
}
