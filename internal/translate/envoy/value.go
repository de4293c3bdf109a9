package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Any packs a message, with the same bytes for the same message.
func Any(m proto.Message) *anypb.Any {
	value, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m)
	if err != nil {
		// Only a string that is not UTF-8 gets here, and ingest refuses those.
		panic("marshal " + string(m.ProtoReflect().Descriptor().FullName()) + ": " + err.Error())
	}
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName()), Value: value}
}

// Duration is d as a message; 0 is a message too.
func Duration(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

// UInt32 is a number that is set.
func UInt32(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }

// Bool is a truth value that is set.
func Bool(b bool) *wrapperspb.BoolValue { return wrapperspb.Bool(b) }

// Address is a TCP address.
func Address(ip string, port int32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}

// InternalAddress is a listener inside Envoy.
func InternalAddress(listener string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
		AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: listener},
	}}}
}

// ADS says that a resource comes by the stream that this one came by. A timeout
// of 0 leaves Envoy's, 15 s.
func ADS(timeout time.Duration) *corev3.ConfigSource {
	out := &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
	if timeout != 0 {
		out.InitialFetchTimeout = Duration(timeout)
	}
	return out
}

// DNS is the kind of cluster whose endpoints are all addresses of a name, looked
// up again when the answer expires.
func DNS() *clusterv3.Cluster_CustomClusterType {
	return &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.cluster.dns",
		TypedConfig: Any(&dnsv3.DnsCluster{
			RespectDnsTtl:   true,
			DnsLookupFamily: commondnsv3.DnsLookupFamily_V4_PREFERRED,
		}),
	}
}

// Exact matches one string.
func Exact(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
}

// Prefix matches strings that begin so.
func Prefix(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: s}}
}

// Regex matches whole strings by RE2.
func Regex(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: s}}}
}
