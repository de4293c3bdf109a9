package bootstrap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// JSON is Bootstrap as Envoy's configuration file. Equal configs give equal
// bytes.
func JSON(c Config) ([]byte, error) {
	b, err := Bootstrap(c)
	if err != nil {
		return nil, err
	}
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("write bootstrap as JSON: %w", err)
	}
	// protojson varies its spaces on purpose.
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("write bootstrap as JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Bootstrap is what Envoy starts with: who it is, where it gets secrets (the
// agent's socket) and everything else (delta ADS from discovery over mTLS),
// and its health and statistics listeners. The error names what in the config
// cannot be worked with.
func Bootstrap(c Config) (*bootstrapv3.Bootstrap, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("check bootstrap config: %w", err)
	}
	node, err := node(&c)
	if err != nil {
		return nil, err
	}
	b := &builder{Config: &c}
	out := &bootstrapv3.Bootstrap{
		Node:  node,
		Admin: &bootstrapv3.Admin{Address: socketAddress("127.0.0.1", c.Ports.Admin)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Clusters: []*clusterv3.Cluster{
				b.xdsCluster(), b.sdsCluster(),
				b.loopbackCluster(agentCluster, c.Ports.Status), b.loopbackCluster(statsCluster, c.Ports.Admin),
			},
			Listeners: []*listenerv3.Listener{
				b.listener(agentCluster, c.Ports.Health, ReadyPath), b.listener(statsCluster, c.Ports.Stats, StatsPath),
			},
		},
		DynamicResources:    dynamicResources(),
		ClusterManager:      &bootstrapv3.ClusterManager{EnableDeferredClusterCreation: true},
		DeferredStatOptions: &bootstrapv3.Bootstrap_DeferredStatOptions{EnableDeferredCreationStats: true},
		StatsConfig:         statsConfig(),
		LayeredRuntime:      b.runtime(),
		OverloadManager:     b.overload(),
		BootstrapExtensions: []*corev3.TypedExtensionConfig{{
			Name: "envoy.bootstrap.internal_listener", TypedConfig: b.any(&internalv3.InternalListener{}),
		}},
	}
	if b.err != nil {
		return nil, b.err
	}
	if err := out.ValidateAll(); err != nil {
		return nil, fmt.Errorf("check bootstrap: %w", err)
	}
	return out, nil
}

// builder remembers the first message that could not be packed, so that the
// parts above read as one value.
type builder struct {
	*Config
	err error
}

func (b *builder) any(m proto.Message) *anypb.Any {
	out := &anypb.Any{}
	err := anypb.MarshalFrom(out, m, proto.MarshalOptions{Deterministic: true})
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("pack %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return out
}

// dynamicResources takes clusters and listeners from ADS. Fetch timeout 0s: a
// proxy never goes ready with nothing because discovery was slow.
func dynamicResources() *bootstrapv3.Bootstrap_DynamicResources {
	ads := func() *corev3.ConfigSource {
		return &corev3.ConfigSource{
			ResourceApiVersion:    corev3.ApiVersion_V3,
			InitialFetchTimeout:   durationpb.New(0),
			ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		}
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		LdsConfig: ads(),
		CdsConfig: ads(),
		AdsConfig: apiSource(corev3.ApiConfigSource_DELTA_GRPC, XDSCluster),
	}
}

func apiSource(kind corev3.ApiConfigSource_ApiType, cluster string) *corev3.ApiConfigSource {
	return &corev3.ApiConfigSource{
		ApiType:                   kind,
		TransportApiVersion:       corev3.ApiVersion_V3,
		SetNodeOnFirstMessageOnly: true,
		GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster},
		}}},
	}
}

// runtime keeps an admin layer on top, so that a person can try a flag on a
// live proxy.
func (b *builder) runtime() *bootstrapv3.LayeredRuntime {
	static, err := structpb.NewStruct(map[string]any{
		// Istio's limit: users' regular expressions were accepted up to it.
		"re2.max_program_size.error_level": 32768,
	})
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("write runtime: %w", err)
	}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{
		{Name: "static", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: static}},
		{Name: "admin", LayerSpecifier: &bootstrapv3.RuntimeLayer_AdminLayer_{AdminLayer: &bootstrapv3.RuntimeLayer_AdminLayer{}}},
	}}
}

// overload counts downstream connections and refuses none. Without a monitor
// Envoy warns at each start that nothing limits them.
func (b *builder) overload() *overloadv3.OverloadManager {
	return &overloadv3.OverloadManager{
		RefreshInterval: durationpb.New(250 * time.Millisecond),
		ResourceMonitors: []*overloadv3.ResourceMonitor{{
			Name: "envoy.resource_monitors.global_downstream_max_connections",
			ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: b.any(&connectionsv3.DownstreamConnectionsConfig{
				MaxActiveDownstreamConnections: math.MaxInt32,
			})},
		}},
	}
}

func socketAddress(host string, port int) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}
