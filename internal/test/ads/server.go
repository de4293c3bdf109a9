package ads

import (
	"fmt"
	"net"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Server is a control plane with one answer for everybody.
type Server struct {
	address string
	grpc    *grpc.Server

	mu sync.Mutex
	// rejected are the errors that Envoy answered with.
	rejected []string
	types    map[string]bool
}

// SVID is what the agent would serve by SDS, in PEM.
type SVID struct {
	TrustDomain       string
	Chain, Key, Roots []byte
}

// Serve answers until the test ends. svid may be nil.
func Serve(t testing.TB, resources map[resource.TypeURL]map[string]proto.Message, svid *SVID) *Server {
	t.Helper()
	caches := map[string]cachev3.Cache{}
	for _, kind := range []resource.TypeURL{
		resource.Cluster, resource.Endpoints, resource.Listener, resource.Route, resource.VirtualHost, resource.Secret,
	} {
		cache := cachev3.NewLinearCache(string(kind))
		for name, m := range resources[kind] {
			if err := cache.UpdateResource(name, m); err != nil {
				t.Fatal(err)
			}
		}
		if kind == resource.Secret && svid != nil {
			for name, m := range svid.secrets(t) {
				if err := cache.UpdateResource(name, m); err != nil {
					t.Fatal(err)
				}
			}
		}
		caches[string(kind)] = cache
	}
	mux := &cachev3.MuxCache{
		Classify:      func(r *cachev3.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cachev3.DeltaRequest) string { return r.GetTypeUrl() },
		Caches:        caches,
	}
	s := &Server{types: map[string]bool{}, grpc: grpc.NewServer()}
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // no name to look up
	if err != nil {
		t.Fatal(err)
	}
	s.address = lis.Addr().String()
	xds := serverv3.NewServer(t.Context(), mux, serverv3.CallbackFuncs{
		StreamDeltaRequestFunc: func(_ int64, r *discoveryv3.DeltaDiscoveryRequest) error {
			s.note(r.GetTypeUrl(), r.GetErrorDetail().GetMessage())
			return nil
		},
		StreamRequestFunc: func(_ int64, r *discoveryv3.DiscoveryRequest) error {
			s.note(r.GetTypeUrl(), r.GetErrorDetail().GetMessage())
			return nil
		},
	})
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, xds)
	secretv3.RegisterSecretDiscoveryServiceServer(s.grpc, xds)
	go s.grpc.Serve(lis) //nolint:errcheck // ends with the test
	t.Cleanup(s.grpc.Stop)
	return s
}

func (s *Server) note(kind, rejection string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types[kind] = true
	if rejection != "" {
		s.rejected = append(s.rejected, kind+": "+rejection)
	}
}

// Rejected are the reasons that proxies gave for what they did not take.
func (s *Server) Rejected() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.rejected...)
}

// Unix makes the server answer at a Unix socket too, for proxies in another
// network namespace. The path is absolute.
func (s *Server) Unix(t testing.TB, path string) {
	t.Helper()
	lis, err := net.Listen("unix", path) //nolint:noctx // no name to look up
	if err != nil {
		t.Fatal(err)
	}
	go s.grpc.Serve(lis) //nolint:errcheck // ends with the test
}

// Address is where the server answers, host:port.
func (s *Server) Address() string { return s.address }

// Bootstrap is a bootstrap in JSON for a proxy of this server.
func (s *Server) Bootstrap(id string) []byte { return Bootstrap(id, s.address, s.address) }

// Bootstrap is a bootstrap in JSON for a proxy with this node id, that asks one
// address for its configuration by delta ADS and another for its certificate. An
// address is host:port, or the path of a Unix socket.
func Bootstrap(id, xds, sds string) []byte {
	cluster := func(name, address string) string {
		at := fmt.Sprintf(`"pipe": {"path": %q}`, address)
		if host, port, err := net.SplitHostPort(address); err == nil {
			at = fmt.Sprintf(`"socket_address": {"address": %q, "port_value": %s}`, host, port)
		}
		return fmt.Sprintf(`{"name": %q, "type": "STATIC", "connect_timeout": "5s",
  "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicit_http_config": {"http2_protocol_options": {}}}},
  "load_assignment": {"cluster_name": %q, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {%s}}}]}]}}`, name, name, at)
	}
	return fmt.Appendf(nil, `{
"node": {"id": %q, "cluster": "test"},
"bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"}}],
"dynamic_resources": {
  "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
  "lds_config": {"resource_api_version": "V3", "ads": {}},
  "cds_config": {"resource_api_version": "V3", "ads": {}}},
"static_resources": {"clusters": [%s, %s]}}`, id, cluster("xds", xds), cluster("sds-grpc", sds))
}

func (v *SVID) secrets(t testing.TB) map[string]proto.Message {
	t.Helper()
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	peers, err := anypb.New(&tlsv3.SPIFFECertValidatorConfig{
		TrustDomains: []*tlsv3.SPIFFECertValidatorConfig_TrustDomain{{Name: v.TrustDomain, TrustBundle: inline(v.Roots)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]proto.Message{
		"default": &tlsv3.Secret{Name: "default", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(v.Chain), PrivateKey: inline(v.Key),
		}}},
		"ROOTCA": &tlsv3.Secret{Name: "ROOTCA", Type: &tlsv3.Secret_ValidationContext{
			// As the agent serves it.
			ValidationContext: &tlsv3.CertificateValidationContext{CustomValidatorConfig: &corev3.TypedExtensionConfig{
				Name: "envoy.tls.cert_validator.spiffe", TypedConfig: peers,
			}},
		}},
	}
}
