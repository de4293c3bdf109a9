package xds

import (
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// message is a request in protobuf's own form.
func (r *request) message() *discoveryv3.DeltaDiscoveryRequest {
	m := &discoveryv3.DeltaDiscoveryRequest{
		Node: r.node, TypeUrl: string(r.Type), ResourceNamesSubscribe: r.Subscribe,
		ResourceNamesUnsubscribe: r.Unsubscribe, ResponseNonce: r.Nonce,
	}
	for _, h := range r.Versions {
		if m.InitialResourceVersions == nil {
			m.InitialResourceVersions = map[string]string{}
		}
		m.InitialResourceVersions[h.Name] = h.Version
	}
	if r.Error != "" {
		m.ErrorDetail = &status.Status{Message: r.Error}
	}
	return m
}

var requests = map[string]*discoveryv3.DeltaDiscoveryRequest{
	"an empty one": {},
	"a first one": {
		Node: &corev3.Node{Id: "sidecar~1", UserAgentName: "envoy"}, TypeUrl: string(resource.Cluster),
		ResourceNamesSubscribe: []string{"*"},
	},
	"one that resumes": {
		TypeUrl: string(resource.Endpoints), ResourceNamesSubscribe: []string{"a", "b", "ö"}, ResourceNamesUnsubscribe: []string{"c", ""},
		InitialResourceVersions: map[string]string{"a": "1", "b": "", "": "2"},
	},
	"an answer":   {TypeUrl: string(resource.Listener), ResponseNonce: "7-1"},
	"a rejection": {TypeUrl: string(resource.Listener), ResponseNonce: "7-1", ErrorDetail: &status.Status{Code: 13, Message: "no"}},
	"one with fields of later versions": {
		TypeUrl:                   string(resource.Cluster),
		ResourceLocatorsSubscribe: []*discoveryv3.ResourceLocator{{Name: "x", DynamicParameters: map[string]string{"a": "b"}}},
	},
}

// read reads a message that came in pieces.
func read(wire []byte, piece int) (*request, error) {
	var data mem.BufferSlice
	for p := range slices.Chunk(wire, piece) {
		data = append(data, mem.SliceBuffer(p))
	}
	r := &request{}
	return r, newCodec().Unmarshal(data, r)
}

func TestRequestsAreReadAsProtobufReadsThem(t *testing.T) {
	t.Parallel()
	for name, want := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire, err := proto.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			want := proto.Clone(want).(*discoveryv3.DeltaDiscoveryRequest)
			want.ResourceLocatorsSubscribe = nil
			if want.ErrorDetail != nil {
				want.ErrorDetail.Code = 0
			}
			got, err := read(wire, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.message(), protocmp.Transform()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARejectionIsNeverWithoutAReason(t *testing.T) {
	t.Parallel()
	wire, err := proto.Marshal(&discoveryv3.DeltaDiscoveryRequest{ErrorDetail: &status.Status{Code: 13}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(wire, len(wire))
	if err != nil {
		t.Fatal(err)
	}
	if got.Error == "" {
		t.Error("a NACK without a text reads as an ACK")
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string][]byte{
		"cut off within a tag":          {0x80},
		"cut off within a length":       {0x12, 0x80},
		"a length beyond the end":       {0x12, 5, 'a'},
		"a number of more than 64 bits": append(protowire.AppendTag(nil, 9, protowire.VarintType), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),
		"field number 0":                {0x02, 0},
		"a group":                       {0x13, 0x14},
		"a name that is not UTF-8":      {0x1a, 1, 0xff},
		"a held name that is not UTF-8": {0x2a, 3, 0x0a, 1, 0xff},
		"an entry that is cut off":      {0x2a, 2, 0x0a, 9},
		"a node that is none":           {0x0a, 1, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := read(wire, 2); err == nil {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

// FuzzRequest asks that what protobuf reads is read as protobuf does. Groups,
// which nothing has used for long, are refused.
func FuzzRequest(f *testing.F) {
	for _, m := range requests {
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := read(wire, 16)
		var want discoveryv3.DeltaDiscoveryRequest
		if proto.Unmarshal(wire, &want) != nil {
			return // What is skipped is not looked into.
		}
		if err != nil {
			if slices.ContainsFunc(wire, func(b byte) bool { return protowire.Type(b&7) == protowire.StartGroupType }) {
				return
			}
			t.Fatalf("refused: %v", err)
		}
		heard := &discoveryv3.DeltaDiscoveryRequest{
			TypeUrl: want.GetTypeUrl(), ResourceNamesSubscribe: want.GetResourceNamesSubscribe(), ResponseNonce: want.GetResponseNonce(),
			ResourceNamesUnsubscribe: want.GetResourceNamesUnsubscribe(), InitialResourceVersions: want.GetInitialResourceVersions(),
		}
		said := got.message()
		said.Node, said.ErrorDetail = nil, nil
		if !proto.Equal(heard, said) || (want.ErrorDetail != nil) != (got.Error != "") {
			t.Fatalf("read as %v, want %v", said, heard)
		}
	})
}

func BenchmarkReadRequestThatResumes(b *testing.B) {
	m := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: string(resource.Endpoints), InitialResourceVersions: map[string]string{}}
	for i := range 1000 {
		name := "outbound|8080||service-" + strings.Repeat(string(rune('a'+i%26)), 1+i/26) + ".shop.svc.cluster.local"
		m.ResourceNamesSubscribe = append(m.ResourceNamesSubscribe, name)
		m.InitialResourceVersions[name] = "0123456789ab"
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := read(wire, 16<<10)
		if err != nil || len(r.Versions) != 1000 {
			b.Fatal(err, len(r.Versions))
		}
	}
}
