package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

const (
	clusterID = "Kubernetes"
	// Envoy's own flow control windows.
	streamWindow     = 16 << 20
	connectionWindow = 24 << 20
)

// fleet is the simulated proxies, each with a connection of its own.
type fleet struct {
	address string
	proxies []*proxy
	// faults counts broken rules of the protocol; first has some of them.
	faults atomic.Int64
	mu     sync.Mutex
	first  []string
}

// proxy is one of them.
type proxy struct {
	client  *adsclient.Client
	conn    *grpc.ClientConn
	session *adsclient.Session
	// base is what the client had received before this session.
	base map[resource.TypeURL]adsclient.Count
}

// holds is how many resources the proxy has.
func (p *proxy) holds() int {
	held := 0
	p.session.Look(func(c *adsclient.Client) {
		for _, names := range c.Holds {
			held += len(names)
		}
	})
	return held
}

// seen is what one proxy received up to now.
type seen struct {
	counts map[resource.TypeURL]adsclient.Count
	// sent are bytes of requests on this stream.
	sent int
	// last is when the last response came, zero if none did on this stream.
	last time.Time
}

const maxFaults = 5

func newFleet(address string, m *meshOf) *fleet {
	f := &fleet{address: address}
	for _, s := range m.sidecars {
		c := adsclient.New(s.node())
		c.Fault = f.fault
		f.proxies = append(f.proxies, &proxy{client: c})
	}
	return f
}

func (f *fleet) fault(format string, args ...any) {
	f.faults.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.first) < maxFaults {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

// node is how the sidecar's Envoy introduces itself.
func (s sidecar) node() *corev3.Node {
	text := func(v string) *structpb.Value { return structpb.NewStringValue(v) }
	labels := map[string]*structpb.Value{}
	for k, v := range s.labels() {
		labels[k] = text(v)
	}
	return &corev3.Node{
		Id: fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.%s", s.address, s.name, s.namespace, s.namespace, domain),
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"NAME": text(s.name), "NAMESPACE": text(s.namespace), "SERVICE_ACCOUNT": text(s.app), "CLUSTER_ID": text(clusterID),
			"MESH_ID": text(domain), "INSTANCE_IPS": text(s.address), "ISTIO_VERSION": text("1.31.0"),
			"LABELS": structpb.NewStructValue(&structpb.Struct{Fields: labels}),
		}},
		Locality: &corev3.Locality{Region: region, Zone: zoneName(s.zone)},
	}
}

// connect opens the streams of proxies at once.
func (f *fleet) connect(ctx context.Context, proxies []*proxy) error {
	var group errgroup.Group
	for _, p := range proxies {
		group.Go(func() (err error) {
			p.conn, err = grpc.NewClient("passthrough:///"+f.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow))
			if err != nil {
				return fmt.Errorf("connect to %s: %w", f.address, err)
			}
			p.base = maps.Clone(p.client.Counts)
			p.session, err = adsclient.Open(ctx, p.conn, p.client)
			return err
		})
	}
	return group.Wait()
}

// disconnect ends all streams; the proxies keep what they hold.
func (f *fleet) disconnect() error {
	var errs []error
	for _, p := range f.proxies {
		if p.session != nil {
			p.session.Close()
			errs = append(errs, p.conn.Close())
			p.session, p.conn = nil, nil
		}
	}
	return errors.Join(errs...)
}

// look is what each of these proxies received, if it is connected.
func look(proxies []*proxy) map[*proxy]seen {
	out := make(map[*proxy]seen, len(proxies))
	for _, p := range proxies {
		if p.session != nil {
			s := seen{sent: p.session.Sent(), last: p.session.Last()}
			p.session.Look(func(c *adsclient.Client) { s.counts = maps.Clone(c.Counts) })
			out[p] = s
		}
	}
	return out
}

// poll is how often silence is asked for.
const poll = 20 * time.Millisecond

// silence waits until every connected proxy has what it asked for and no proxy
// received anything for as long as quiet. It returns an error if that takes
// longer than patience or a stream ends.
func (f *fleet) silence(ctx context.Context, quiet, patience time.Duration) error {
	from := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
		last, settled, err := f.progress()
		if err != nil {
			return err
		}
		if last.Before(from) {
			last = from
		}
		if settled && time.Since(last) >= quiet {
			return nil
		}
		if time.Since(from) > patience {
			return fmt.Errorf("proxies are still being sent something, or wait for it, %s after the change", patience)
		}
	}
}

// progress is when the last response came, and whether every connected proxy has
// what it asked for.
func (f *fleet) progress() (last time.Time, settled bool, err error) {
	settled = true
	for _, p := range f.proxies {
		if p.session == nil {
			continue
		}
		if err := p.session.Err(); err != nil {
			return last, false, fmt.Errorf("%s: %w", p.client.Node.GetId(), err)
		}
		p.session.Look(func(c *adsclient.Client) { settled = settled && c.Settled() })
		if at := p.session.Last(); at.After(last) {
			last = at
		}
	}
	return last, settled, nil
}
