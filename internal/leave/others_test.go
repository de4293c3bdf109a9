package leave_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/leave"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/freeport"
)

// other is a discovery that says what it is asked, and answers when it is told.
type other struct {
	asked  chan string
	answer chan error
}

func (o *other) Withdrawn(context.Context, string) error { return errors.New("no agent asks here") }

func (o *other) Heard(ctx context.Context, pod string) error {
	o.asked <- pod
	select {
	case err := <-o.answer:
		return err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// peers is a trust domain in which discoveries serve and ask.
type peers struct {
	serving *rotate.Serving
	pool    *x509.CertPool
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	root, err := ca.NewRoot("td", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	holder := &slot.Holder{}
	holder.Set(&slot.Set{Current: root})
	self := spiffe.ID{TrustDomain: "td", Namespace: "mesh-system", ServiceAccount: "discovery"}
	set, err := holder.Get()
	if err != nil {
		t.Fatal(err)
	}
	return &peers{
		serving: rotate.NewServing(holder, ca.Request{ID: self, DNSNames: []string{"discovery"}, Life: time.Hour}, time.Now),
		pool:    set.Pool(),
	}
}

// serve runs a gRPC server until the test ends, and returns its address.
func (p *peers) serve(t *testing.T, register func(grpc.ServiceRegistrar)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := authn.ServerTLS(p.serving.GetCertificate, func() (*x509.CertPool, error) { return p.pool, nil })
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func (p *peers) tls() (*tls.Config, error) {
	own, err := p.serving.GetCertificate(nil)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.pool, ServerName: "discovery", Certificates: []tls.Certificate{*own}}, nil
}

func TestOthersAreAskedUntilAllHaveAnswered(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	cases := map[string]struct {
		// answers are those of the discoveries that can be asked, in turn.
		answers []error
		// beside are the addresses of whom to leave out.
		beside []string
	}{
		"nobody else":                    {},
		"two that answer":                {answers: []error{nil, nil}},
		"beside one that is not there":   {answers: []error{nil}, beside: []string{freeport.Address(t)}},
		"beside one that is older":       {answers: []error{nil}, beside: []string{p.serve(t, func(grpc.ServiceRegistrar) {})}},
		"one that ends":                  {answers: []error{status.Error(codes.Unavailable, "closing"), nil}},
		"one that does not let us ask":   {answers: []error{status.Error(codes.PermissionDenied, "who is that?"), nil}},
		"only one that is not there yet": {beside: []string{freeport.Address(t)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addresses := tc.beside
			var all []*other
			for range tc.answers {
				o := &other{asked: make(chan string, 1), answer: make(chan error)}
				all = append(all, o)
				addresses = append(addresses, p.serve(t, func(r grpc.ServiceRegistrar) { leave.Register(r, o) }))
			}
			others := &leave.Others{Addresses: func(context.Context) []string { return addresses }, TLS: p.tls, Log: testr.New(t)}
			result := make(chan error, 1)
			go func() { result <- others.Ask(t.Context(), "shop/back-1") }()
			for i, o := range all {
				if pod := <-o.asked; pod != "shop/back-1" {
					t.Errorf("it is asked for %q", pod)
				}
				select {
				case err := <-result:
					t.Fatalf("got %v after %d answers of %d", err, i, len(all))
				default:
				}
				o.answer <- tc.answers[i]
			}
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOthersAreNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	p, o := newPeers(t), &other{asked: make(chan string, 1), answer: make(chan error)}
	address := p.serve(t, func(r grpc.ServiceRegistrar) { leave.Register(r, o) })
	others := &leave.Others{Addresses: func(context.Context) []string { return []string{address} }, TLS: p.tls, Log: testr.New(t)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-o.asked; cancel() }()
	if err := others.Ask(ctx, "shop/back-1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context ended", err)
	}
}
