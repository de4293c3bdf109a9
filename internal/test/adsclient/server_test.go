package adsclient

import (
	"context"
	"net"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// patience bounds every wait of these tests; it is not what they measure.
const patience = time.Minute

// script is an ADS server whose every move a test makes.
type script struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	streams chan *scripted
}

// scripted is one stream of it.
type scripted struct {
	t        *testing.T
	stream   discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer
	requests chan *discoveryv3.DeltaDiscoveryRequest
	end      chan struct{}
}

func (s *script) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	one := &scripted{stream: stream, requests: make(chan *discoveryv3.DeltaDiscoveryRequest, 100), end: make(chan struct{})}
	s.streams <- one
	go func() {
		for {
			r, err := stream.Recv()
			if err != nil {
				close(one.requests)
				return
			}
			one.requests <- r
		}
	}()
	select {
	case <-one.end:
	case <-stream.Context().Done():
	}
	return nil
}

// serve runs a scripted server and returns a connection to it.
func serve(t *testing.T) (*script, *grpc.ClientConn) {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server, s := grpc.NewServer(), &script{streams: make(chan *scripted, 1)}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///script", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, conn
}

// open starts a session and returns the server's end of it.
func open(t *testing.T, s *script, conn *grpc.ClientConn, c *Client) (*Session, *scripted) {
	t.Helper()
	session, err := Open(t.Context(), conn, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	one := <-s.streams
	one.t = t
	return session, one
}

// next is the client's next request.
func (s *scripted) next() *discoveryv3.DeltaDiscoveryRequest {
	s.t.Helper()
	select {
	case r, ok := <-s.requests:
		if !ok {
			s.t.Fatal("the client ended the stream")
		}
		return r
	case <-time.After(patience):
		s.t.Fatal("the client sends nothing")
	}
	return nil
}

func (s *scripted) send(r *discoveryv3.DeltaDiscoveryResponse) {
	s.t.Helper()
	if err := s.stream.Send(r); err != nil {
		s.t.Fatal(err)
	}
}

// response is one of a type with messages under their names.
func response(t *testing.T, of resource.TypeURL, nonce string, messages ...named) *discoveryv3.DeltaDiscoveryResponse {
	t.Helper()
	out := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: string(of), Nonce: nonce}
	for _, m := range messages {
		body, err := anypb.New(m.message)
		if err != nil {
			t.Fatal(err)
		}
		out.Resources = append(out.Resources, &discoveryv3.Resource{Name: m.name, Version: "v" + nonce, Resource: body})
	}
	return out
}

// removal is a response that removes names.
func removal(of resource.TypeURL, names ...string) *discoveryv3.DeltaDiscoveryResponse {
	return &discoveryv3.DeltaDiscoveryResponse{TypeUrl: string(of), Nonce: "gone", RemovedResources: names}
}

type named struct {
	name    string
	message proto.Message
}

// eds is a cluster with endpoints of its own name.
func eds(name string, timeout time.Duration) named {
	return named{name, &clusterv3.Cluster{
		Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}, ConnectTimeout: durationpb.New(timeout),
	}}
}

// assignment is that of the cluster back.
func assignment() named {
	return named{"back", &endpointv3.ClusterLoadAssignment{ClusterName: "back"}}
}

// listener uses a route configuration and, unless "", a secret.
func listener(t *testing.T, name, route, secret string) named {
	t.Helper()
	hcm, err := anypb.New(&hcmv3.HttpConnectionManager{RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: route}}})
	if err != nil {
		t.Fatal(err)
	}
	chain := &listenerv3.FilterChain{Filters: []*listenerv3.Filter{{Name: "hcm", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: hcm}}}}
	if secret != "" {
		tls, err := anypb.New(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: secret}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		chain.TransportSocket = &corev3.TransportSocket{Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: tls}}
	}
	return named{name, &listenerv3.Listener{Name: name, FilterChains: []*listenerv3.FilterChain{chain}}}
}

func routes(name string) named {
	return named{name, &routev3.RouteConfiguration{Name: name, Vhds: &routev3.Vhds{}}}
}

// host is a virtual host that routes one domain to a cluster.
func host(name, domain, cluster string) named {
	return named{name, &routev3.VirtualHost{Name: name, Domains: []string{domain}, Routes: []*routev3.Route{{
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
	}}}}
}
