package sds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/agent/bootstrap"
)

// Server serves the three secrets that bootstrap names. A secret that was not
// set yet is not answered: Envoy waits for it. It may be used concurrently.
type Server struct{ cache *cachev3.LinearCache }

// New makes a server without secrets.
func New() *Server { return &Server{cache: cachev3.NewLinearCache(resourcev3.SecretType)} }

// Set replaces all secrets: the SVID (PEM, leaf first) with its key, and the
// roots (PEM) by which peers of the trust domain, and discovery, are verified.
func (s *Server) Set(trustDomain string, chain, key, roots []byte) error {
	peers, err := anypb.New(&tlsv3.SPIFFECertValidatorConfig{
		TrustDomains: []*tlsv3.SPIFFECertValidatorConfig_TrustDomain{{Name: trustDomain, TrustBundle: inline(roots)}},
	})
	if err != nil {
		return fmt.Errorf("pack trust bundle: %w", err)
	}
	validation := func(name string, v *tlsv3.CertificateValidationContext) *tlsv3.Secret {
		return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: v}}
	}
	secrets := map[string]types.Resource{
		bootstrap.SecretIdentity: &tlsv3.Secret{Name: bootstrap.SecretIdentity, Type: &tlsv3.Secret_TlsCertificate{
			TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(chain), PrivateKey: inline(key)},
		}},
		bootstrap.SecretRoots: validation(bootstrap.SecretRoots, &tlsv3.CertificateValidationContext{
			CustomValidatorConfig: &corev3.TypedExtensionConfig{Name: "envoy.tls.cert_validator.spiffe", TypedConfig: peers},
		}),
		bootstrap.SecretDiscovery: validation(bootstrap.SecretDiscovery, &tlsv3.CertificateValidationContext{TrustedCa: inline(roots)}),
	}
	return s.cache.UpdateResources(secrets, nil)
}

func inline(b []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
}

// Listen makes the socket, which only this user may use, in place of one that
// an earlier run left.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for secrets: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = lis.Close()
		return nil, fmt.Errorf("close socket to others: %w", err)
	}
	return lis, nil
}

// Run serves until ctx ends, and returns nil then. It closes lis.
func (s *Server) Run(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer()
	secretv3.RegisterSecretDiscoveryServiceServer(server, serverv3.NewServer(ctx, s.cache, nil))
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(lis); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve secrets: %w", err)
	}
	return nil
}
