package adsclient

import (
	"context"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

func await(t *testing.T, s *Session, cond func(*Client) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Await(ctx, cond); err != nil {
		t.Fatal(err)
	}
}

func holdsCluster(name string) func(*Client) bool {
	return func(c *Client) bool { return c.Holds[resource.Cluster][name].Body != nil }
}

func TestSessionAnswersWithTheNonceAndCountsTheBytes(t *testing.T) {
	script, conn := serve(t)
	c, faults := proxy()
	session, server := open(t, script, conn, c)
	if got := server.next(); got.GetNode().GetId() != c.Node.GetId() {
		t.Errorf("the first request is of node %q", got.GetNode().GetId())
	}
	first := response(t, resource.Cluster, "n1", eds("a", time.Second), eds("b", time.Second))
	server.send(first)
	await(t, session, holdsCluster("b"))
	if got := server.next(); got.GetResponseNonce() != "n1" || got.GetErrorDetail() != nil {
		t.Errorf("the answer is %v, want an ACK of n1", got)
	}
	again := response(t, resource.Cluster, "n2", eds("a", time.Second))
	server.send(again)
	server.send(removal(resource.Cluster, "b"))
	await(t, session, func(c *Client) bool { return c.Holds[resource.Cluster]["b"].Body == nil })
	var got Count
	session.Look(func(c *Client) { got = c.Counts[resource.Cluster] })
	want := Count{
		Responses: 3, Resources: 3, Removed: 1, Resent: 1,
		Bytes: proto.Size(first) + proto.Size(again) + proto.Size(removal(resource.Cluster, "b")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if session.Last().IsZero() || session.Sent() == 0 {
		t.Errorf("last response at %v, %d bytes sent", session.Last(), session.Sent())
	}
	if len(*faults) != 1 {
		t.Errorf("faults %v, want one", *faults)
	}
}

func TestSessionRefusesWhatItIsToldTo(t *testing.T) {
	script, conn := serve(t)
	c, _ := proxy()
	c.Reject = func(_ resource.TypeURL, name string, _ Resource) string {
		if name == "bad" {
			return "no such luck"
		}
		return ""
	}
	_, server := open(t, script, conn, c)
	server.next()
	server.send(response(t, resource.Cluster, "n1", eds("bad", time.Second)))
	got := server.next()
	if got.GetResponseNonce() != "n1" || got.GetErrorDetail().GetMessage() != "bad: no such luck" {
		t.Errorf("the answer is %v, want a NACK of n1", got)
	}
}

func TestSessionResumesAfterTheServerEndsTheStream(t *testing.T) {
	script, conn := serve(t)
	c, _ := proxy()
	session, server := open(t, script, conn, c)
	server.send(response(t, resource.Cluster, "1", eds("a", time.Second)))
	await(t, session, holdsCluster("a"))
	close(server.end)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := session.Await(ctx, func(*Client) bool { return false }); err == nil || ctx.Err() != nil {
		t.Fatalf("waiting on a stream that ended: %v, want the stream's error", err)
	}
	session.Close()
	_, server = open(t, script, conn, c)
	if diff := cmp.Diff(map[string]string{"a": "v1"}, server.next().GetInitialResourceVersions()); diff != "" {
		t.Errorf("the versions of the second stream (-want +got):\n%s", diff)
	}
}

func TestStalledSessionReadsNothingUntilItProceeds(t *testing.T) {
	script, conn := serve(t)
	c, _ := proxy()
	session, server := open(t, script, conn, c)
	session.Stall()
	session.Stall()
	// The first may be taken; the second stays where it is.
	server.send(response(t, resource.Cluster, "1", eds("a", time.Second)))
	server.send(response(t, resource.Cluster, "2", eds("b", time.Second)))
	server.next()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := session.Await(short, holdsCluster("b")); err == nil {
		t.Error("a stalled session took a second response")
	}
	session.Proceed()
	session.Proceed()
	await(t, session, holdsCluster("b"))
}

func TestSessionAsksOnDemand(t *testing.T) {
	script, conn := serve(t)
	c, _ := proxy()
	session, server := open(t, script, conn, c)
	server.next()
	if err := session.Do(func(c *Client) []*discoveryv3.DeltaDiscoveryRequest { return c.Ask(resource.Cluster, "cold") }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"cold"}, server.next().GetResourceNamesSubscribe()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}
