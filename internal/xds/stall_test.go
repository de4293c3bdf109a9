package xds_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// large is a VirtualService whose virtual host has some kilobytes of its own.
func large(i int) mesh.Change {
	k := mesh.Key{Kind: mesh.KindVirtualService, Namespace: "shop", Name: "back-1"}
	return mesh.Change{Key: k, Value: &mesh.VirtualService{
		Meta: mesh.Meta{Namespace: "shop", Name: "back-1", Generation: int64(i)}, Gateways: []string{mesh.MeshGateway},
		Hosts: []string{"back-1.shop.svc.cluster.local"},
		HTTP:  []mesh.HTTPRoute{{Redirect: &mesh.Redirect{Authority: fmt.Sprintf("%d-%s", i, strings.Repeat("a", 8<<10)), Code: 301}}},
	}}
}

// A proxy that reads nothing holds up no other, costs the engine a name and not
// a queue of bytes, and is sent only the newest once it reads again.
func TestAStalledProxyCostsNobodyElse(t *testing.T) {
	t.Parallel()
	const name, changes = "8080/back-1.shop.svc.cluster.local:8080", 200
	h := start(t, nil)
	h.engine.Apply([]mesh.Change{config(), pod("front"), service("back-1"), large(0)})
	h.engine.Synced()
	// A connection of its own: what one stream does not read may hold up others of
	// its connection.
	conn, err := grpc.NewClient(h.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	held := func(c *adsclient.Client) string { return c.Holds[resource.VirtualHost][name].Version }
	stuck, err := adsclient.Open(h.ctx, conn, client(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stuck.Close)
	other := h.open(t, client(t))
	for _, s := range []*adsclient.Session{stuck, other} {
		if err := s.Await(h.ctx, func(c *adsclient.Client) bool { return held(c) != "" }); err != nil {
			t.Fatal(err)
		}
	}
	stuck.Stall()
	version := ""
	other.Look(func(c *adsclient.Client) { version = held(c) })
	for i := 1; i <= changes; i++ {
		h.engine.Apply([]mesh.Change{large(i)})
		if err := other.Await(h.ctx, func(c *adsclient.Client) bool { return held(c) != version }); err != nil {
			t.Fatalf("change %d never reached the proxy that reads: %v", i, err)
		}
		other.Look(func(c *adsclient.Client) { version = held(c) })
	}
	waiting := 0
	for _, p := range h.engine.Proxies(h.ctx) {
		for _, of := range p.Types {
			waiting += of.Pending
		}
	}
	if waiting != 1 {
		t.Errorf("%d names wait for the proxy that does not read, want 1", waiting)
	}
	stuck.Proceed()
	if err := stuck.Await(h.ctx, func(c *adsclient.Client) bool { return held(c) == version }); err != nil {
		t.Fatalf("the proxy that reads again never has the newest: %v", err)
	}
	stuck.Look(func(c *adsclient.Client) {
		// Some were on their way already: what fits into the buffers of a connection.
		if got := c.Counts[resource.VirtualHost].Responses; got > changes/2 {
			t.Errorf("it was sent %d responses for %d changes", got, changes)
		}
	})
}
