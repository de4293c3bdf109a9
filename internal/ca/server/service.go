package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	securityv1alpha1 "istio.io/api/security/v1alpha1"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/spiffe"
)

// DefaultLife is how long an SVID is valid if nobody says otherwise.
const DefaultLife = 24 * time.Hour

// Callers says who is calling.
type Callers interface {
	ByTokenOrCertificate(context.Context) (authn.Caller, error)
}

// Authorities is who signs now.
type Authorities interface {
	Get() (*slot.Set, error)
}

// Config is what the service needs; all fields are required.
type Config struct {
	Callers     Callers
	Authorities Authorities
	// Life is given to SVIDs, and is the most that a caller may ask for.
	Life time.Duration
	Now  func() time.Time
	Log  logr.Logger
}

// Service signs. It may be used concurrently.
type Service struct {
	securityv1alpha1.UnimplementedIstioCertificateServiceServer
	cfg Config
}

// Register adds the service to a gRPC server, whose TLS must be
// authn.ServerTLS or the like.
func Register(s grpc.ServiceRegistrar, cfg Config) {
	securityv1alpha1.RegisterIstioCertificateServiceServer(s, &Service{cfg: cfg})
}

// CreateCertificate signs the request's key for the caller's own identity. The
// answer is the leaf, then all roots as one PEM text, as Istio's agents expect.
// Errors are gRPC statuses that say what is wrong with the request.
func (s *Service) CreateCertificate(ctx context.Context, in *securityv1alpha1.IstioCertificateRequest) (*securityv1alpha1.IstioCertificateResponse, error) {
	caller, err := s.cfg.Callers.ByTokenOrCertificate(ctx)
	if err != nil {
		return nil, err
	}
	log := s.cfg.Log.WithValues("spiffeID", caller.ID.String(), "pod", caller.Pod)
	if _, ok := in.GetMetadata().GetFields()["ImpersonatedIdentity"]; ok {
		return nil, status.Error(codes.PermissionDenied, "certificates are issued to their callers only, not on behalf of others")
	}
	csr, err := ca.ParseCSR([]byte(in.GetCsr()))
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := checkNames(csr, caller.ID); err != nil {
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	set, err := s.cfg.Authorities.Get()
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	leaf, err := set.Current.Sign(ca.Request{PublicKey: csr.PublicKey, ID: caller.ID, Life: s.life(in.GetValidityDuration())}, s.cfg.Now())
	if err != nil {
		log.Error(err, "Signing certificate")
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	log.V(1).Info("Signed certificate", "notAfter", leaf.NotAfter)
	return &securityv1alpha1.IstioCertificateResponse{CertChain: []string{string(ca.CertificatePEM(leaf)), string(set.Bundle())}}, nil
}

// life is what the caller asks for in seconds, if that is less than the rule.
func (s *Service) life(seconds int64) time.Duration {
	if asked := time.Duration(seconds) * time.Second; seconds > 0 && seconds <= int64(s.cfg.Life/time.Second) {
		return asked
	}
	return s.cfg.Life
}

// checkNames refuses a request for names that its caller does not have. Such
// names would be ignored anyhow; saying so finds a wrong trust domain early.
func checkNames(csr *x509.CertificateRequest, id spiffe.ID) error {
	if len(csr.DNSNames)+len(csr.IPAddresses)+len(csr.EmailAddresses) > 0 {
		return errors.New("request asks for names other than a SPIFFE ID")
	}
	for _, uri := range csr.URIs {
		if got := uri.String(); got != id.String() {
			return fmt.Errorf("request asks for %s, the caller is %s", got, id)
		}
	}
	return nil
}
