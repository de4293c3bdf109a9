package bootstrap

import (
	"net"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	connectTimeout = time.Second
	// A dead path to discovery is noticed within pingEvery+pingWait. The server
	// must permit pings that often.
	pingEvery = 30 * time.Second
	pingWait  = 10 * time.Second
)

// xdsCluster is discovery, over mTLS with the SVID.
func (b *builder) xdsCluster() *clusterv3.Cluster {
	host, port, err := b.discovery()
	if err != nil && b.err == nil {
		b.err = err
	}
	family := clusterv3.Cluster_V4_PREFERRED
	if b.V6() {
		family = clusterv3.Cluster_AUTO
	}
	c := cluster(XDSCluster, clusterv3.Cluster_STRICT_DNS, socketAddress(host, int(port)))
	c.DnsLookupFamily = family
	// Its address is a Service's and stays; every proxy of the cluster asks.
	c.DnsRefreshRate = durationpb.New(time.Minute)
	c.DnsFailureRefreshRate = &clusterv3.Cluster_RefreshRate{BaseInterval: durationpb.New(200 * time.Millisecond), MaxInterval: durationpb.New(5 * time.Second)}
	c.TypedExtensionProtocolOptions = b.http2(&corev3.KeepaliveSettings{Interval: durationpb.New(pingEvery), Timeout: durationpb.New(pingWait)})
	c.TransportSocket = &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.any(&tlsv3.UpstreamTlsContext{
			Sni:              host,
			CommonTlsContext: b.xdsTLS(host),
		})},
	}
	return c
}

func (b *builder) xdsTLS(host string) *tlsv3.CommonTlsContext {
	san := tlsv3.SubjectAltNameMatcher_DNS
	if net.ParseIP(host) != nil {
		san = tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	return &tlsv3.CommonTlsContext{
		// Envoy's clients stop at 1.2 unless told.
		TlsParams: &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
			TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
		},
		AlpnProtocols:                  []string{"h2"},
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{secret(SecretIdentity)},
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: &tlsv3.CertificateValidationContext{
					MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
						SanType: san,
						Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: host}},
					}},
				},
				ValidationContextSdsSecretConfig: secret(SecretDiscovery),
			},
		},
	}
}

// secret is taken from the agent's socket. Fetch timeout 0s: with a shorter one
// than the first certificate takes, the cluster goes active without it and
// needs seconds to recover. A static cluster may not take secrets from ADS
// (Envoy 1.40 crashes).
func secret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ResourceApiVersion:    corev3.ApiVersion_V3,
			InitialFetchTimeout:   durationpb.New(0),
			ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: apiSource(corev3.ApiConfigSource_GRPC, SDSCluster)},
		},
	}
}

func (b *builder) sdsCluster() *clusterv3.Cluster {
	c := cluster(SDSCluster, clusterv3.Cluster_STATIC, &corev3.Address{
		Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: b.SDSSocket}},
	})
	c.TypedExtensionProtocolOptions = b.http2(nil)
	return c
}

func (b *builder) loopbackCluster(name string, port int) *clusterv3.Cluster {
	return cluster(name, clusterv3.Cluster_STATIC, socketAddress("127.0.0.1", port))
}

func (b *builder) http2(keepalive *corev3.KeepaliveSettings) map[string]*anypb.Any {
	return map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": b.any(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{ConnectionKeepalive: keepalive},
				},
			},
		},
	})}
}

func cluster(name string, kind clusterv3.Cluster_DiscoveryType, address *corev3.Address) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ConnectTimeout:       durationpb.New(connectTimeout),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: kind},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
			}}}},
		},
	}
}
