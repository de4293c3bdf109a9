package cache

import (
	"bytes"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

func TestBuffersAreADeltaDiscoveryResponse(t *testing.T) {
	cluster := &clusterv3.Cluster{Name: "outbound|80||a.shop.svc", AltStatName: "x"}
	encoded, err := Encode(resource.Cluster, cluster.Name, cluster)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Encode(resource.Cluster, cluster.Name, proto.Clone(cluster))
	if err != nil {
		t.Fatal(err)
	}
	if encoded.Version != again.Version || encoded.Version == "" {
		t.Errorf("versions of equal bytes: %q and %q", encoded.Version, again.Version)
	}
	body, err := anypb.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	sent := &Response{Type: resource.Cluster, Nonce: "7", Resources: []*Resource{encoded, Placeholder("b")}, Removed: []string{"c", "d"}}
	got := &discoveryv3.DeltaDiscoveryResponse{}
	if err := proto.Unmarshal(bytes.Join(sent.Buffers(), nil), got); err != nil {
		t.Fatal(err)
	}
	want := &discoveryv3.DeltaDiscoveryResponse{
		TypeUrl: string(resource.Cluster),
		Nonce:   "7",
		Resources: []*discoveryv3.Resource{
			{Name: cluster.Name, Version: encoded.Version, Resource: body},
			{Name: "b", Aliases: []string{"b"}},
		},
		RemovedResources: []string{"c", "d"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}
