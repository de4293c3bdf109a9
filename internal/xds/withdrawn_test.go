package xds_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

const leaverID = "sidecar~10.1.0.2~back-1.shop~shop.svc.cluster.local"

// leaver is a pod behind the service back-1, with the slice that has it.
func leaver(leaving, ready bool) []mesh.Change {
	pod := mesh.Key{Kind: mesh.KindWorkload, Namespace: "shop", Name: "back-1"}
	stays := mesh.Endpoint{Addresses: []string{"10.1.0.3"}, Ready: true}
	return []mesh.Change{
		{Key: pod, Value: &mesh.Workload{
			Namespace: "shop", Name: "back-1", IPs: []string{"10.1.0.2"}, ServiceAccount: "front", Meshed: true, Leaving: leaving,
		}},
		{Key: mesh.Key{Kind: mesh.KindEndpointSlice, Namespace: "shop", Name: "back-1-x"}, Value: &mesh.EndpointSlice{
			Namespace: "shop", Name: "back-1-x", Service: "back-1", Ports: []mesh.EndpointPort{{Name: "http", Number: 8080}},
			Endpoints: []mesh.Endpoint{{Addresses: []string{"10.1.0.2"}, Workload: pod, Ready: ready, Draining: !ready}, stays},
		}},
	}
}

func TestWithdrawnOnceEveryProxyHasAnswered(t *testing.T) {
	h := start(t, callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}})
	h.engine.Apply(append([]mesh.Change{config(), pod("front"), service("back-1")}, leaver(false, true)...))
	h.engine.Synced()
	c := client(t)
	answer := make(chan struct{})
	held := ""
	c.Reject = func(typ resource.TypeURL, _ string, r adsclient.Resource) string {
		if typ == resource.Endpoints && held != "" && held != r.Version {
			<-answer // a proxy that takes its time
		}
		return ""
	}
	const name = "outbound|8080||back-1.shop.svc.cluster.local"
	s := h.open(t, c)
	if err := s.Await(h.ctx, func(c *adsclient.Client) bool { held = c.Holds[resource.Endpoints][name].Version; return held != "" }); err != nil {
		t.Fatal(err)
	}
	h.eventually(t, func(p cache.ProxyState) bool { return p.InSync })

	// It is asked before the slice says so.
	h.engine.Apply(leaver(true, true))
	result := make(chan error, 1)
	go func() { result <- leave.Ask(h.ctx, h.conn, leaverID) }()
	h.engine.Apply(leaver(true, false))
	h.eventually(t, func(p cache.ProxyState) bool { return len(p.Types) > 1 && p.Types[1].Unacked == 1 })
	select {
	case err := <-result:
		t.Fatalf("got %v although a proxy still sends to the pod", err)
	default:
	}
	close(answer)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestWithdrawnIsForPodsThatGo(t *testing.T) {
	front := spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}
	for name, c := range map[string]struct {
		who  spiffe.ID
		node string
		want codes.Code
	}{
		"a pod that nobody deleted stays":      {front, leaverID, codes.FailedPrecondition},
		"another's pod is not to be asked for": {spiffe.ID{Namespace: "shop", ServiceAccount: "other"}, leaverID, codes.PermissionDenied},
		"a node id of another form is wrong":   {front, "back-1", codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, callers{c.who})
			h.engine.Apply(append([]mesh.Change{config()}, leaver(false, true)...))
			h.engine.Synced()
			if err := leave.Ask(h.ctx, h.conn, c.node); status.Code(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestWithdrawnOnceTheOthersSaySo(t *testing.T) {
	asked, answer := make(chan string, 1), make(chan error)
	h := startWith(t, xds.Config{
		Callers: callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}},
		Others:  func(_ context.Context, pod string) error { asked <- pod; return <-answer },
	})
	h.engine.Apply(append([]mesh.Change{config()}, leaver(true, false)...))
	h.engine.Synced()
	result := make(chan error, 1)
	go func() { result <- leave.Ask(h.ctx, h.conn, leaverID) }()
	if pod := <-asked; pod != "shop/back-1" {
		t.Errorf("the others are asked for %q", pod)
	}
	select {
	case err := <-result:
		t.Fatalf("got %v although another's proxies have not heard", err)
	default:
	}
	answer <- nil
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestOnlyADiscoveryAsksAnother(t *testing.T) {
	discovery := spiffe.ID{TrustDomain: "cluster.local", Namespace: "mesh-system", ServiceAccount: "meshwright-discovery"}
	for name, c := range map[string]struct {
		who  spiffe.ID
		pod  string
		want codes.Code
	}{
		"discovery":                           {discovery, "shop/back-1", codes.OK},
		"discovery, about a pod that is gone": {discovery, "shop/gone", codes.OK},
		"discovery, about no pod":             {discovery, "back-1", codes.InvalidArgument},
		"a proxy":                             {spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}, "shop/back-1", codes.PermissionDenied},
		"its namesake elsewhere":              {spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "meshwright-discovery"}, "shop/back-1", codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startWith(t, xds.Config{Callers: callers{c.who}, Self: discovery})
			h.engine.Apply(append([]mesh.Change{config()}, leaver(true, false)...))
			h.engine.Synced()
			err := h.conn.Invoke(h.ctx, "/meshwright.v1.Leave/Heard", wrapperspb.String(c.pod), &emptypb.Empty{})
			if status.Code(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestWithdrawnIsAnsweredElsewhereWhenAReplicaEnds(t *testing.T) {
	h := start(t, callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}})
	h.engine.Apply(append([]mesh.Change{config()}, leaver(true, true)...))
	h.engine.Synced()
	result := make(chan error, 1)
	go func() { result <- leave.Ask(h.ctx, h.conn, leaverID) }()
	h.server.Close()
	if err := <-result; status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
}
