package authn

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/spiffe"
)

// Caller is who is at the other end, as proven.
type Caller struct {
	ID spiffe.ID
	// Pod and PodUID are set when the caller's token is bound to a pod; a
	// certificate does not tell.
	Pod, PodUID string
}

// Peers tells the callers of gRPC methods. It may be used concurrently.
type Peers struct {
	// TrustDomain is the only one whose certificates are believed.
	TrustDomain string
	// Tokens reviews bearer tokens.
	Tokens *Tokens
	// InScope says which namespaces' callers are answered; nil means all.
	InScope func(namespace string) bool
}

// ByCertificate is the caller by its SVID, which the TLS handshake has verified
// (ServerTLS). Errors are gRPC statuses: Unauthenticated, or PermissionDenied
// for one of a namespace out of scope.
func (p *Peers) ByCertificate(ctx context.Context) (Caller, error) {
	cert := verifiedCertificate(ctx)
	if cert == nil {
		return Caller{}, status.Error(codes.Unauthenticated, "no client certificate: present the workload's SVID")
	}
	id, err := p.identity(cert)
	if err != nil {
		return Caller{}, status.Error(codes.Unauthenticated, err.Error())
	}
	return Caller{ID: id}, p.inScope(id)
}

func (p *Peers) inScope(id spiffe.ID) error {
	if p.InScope == nil || p.InScope(id.Namespace) {
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "namespace %s does not belong to this mesh: spec.scope of its MeshInstall does not select it", id.Namespace)
}

// ByTokenOrCertificate is the caller by its bearer token if it sent one, else
// by its SVID. A bad token is refused even beside a good certificate. Errors
// are gRPC statuses: those of ByCertificate, or Unavailable if the API server
// does not answer, when asking again makes sense.
func (p *Peers) ByTokenOrCertificate(ctx context.Context) (Caller, error) {
	token, ok := bearer(metadata.ValueFromIncomingContext(ctx, "authorization"))
	if !ok {
		return p.ByCertificate(ctx)
	}
	caller, err := p.Tokens.Review(ctx, token)
	switch {
	case errors.Is(err, ErrRefused):
		return Caller{}, status.Error(codes.Unauthenticated, err.Error())
	case err != nil:
		return Caller{}, status.Error(codes.Unavailable, err.Error())
	}
	caller.ID.TrustDomain = p.TrustDomain
	return caller, p.inScope(caller.ID)
}

func (p *Peers) identity(cert *x509.Certificate) (spiffe.ID, error) {
	id, err := spiffe.FromCertificate(cert)
	if err != nil {
		return spiffe.ID{}, err
	}
	if id.TrustDomain != p.TrustDomain {
		return spiffe.ID{}, fmt.Errorf("check trust domain of %s: want %s", id, p.TrustDomain)
	}
	return id, nil
}

func verifiedCertificate(ctx context.Context) *x509.Certificate {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	// PeerCertificates alone would be what the client claims.
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

// bearer is the token of Authorization headers; ok is false if there is none.
func bearer(values []string) (token string, ok bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
