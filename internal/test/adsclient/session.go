package adsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Session carries a Client over one delta ADS stream. Its methods may be called
// by any goroutine. While it is open the Client is the session's: reach it by
// Do, Look and Await only.
type Session struct {
	// Set by Open and read-only afterwards.
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	codec  *codec
	cancel context.CancelFunc
	done   chan struct{}

	// mu guards the client, the order of requests, and what follows.
	mu     sync.Mutex
	client *Client
	last   time.Time
	err    error
	// news is closed and made anew with each response.
	news chan struct{}
	// gate is closed unless the session is stalled.
	gate chan struct{}
}

// Open begins a stream on conn and answers it, as Envoy would, until Close or
// the end of ctx or of the stream. The client resumes with what it holds from an
// earlier session, which must be closed.
func Open(ctx context.Context, conn grpc.ClientConnInterface, c *Client) (*Session, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Session{
		codec: newCodec(), cancel: cancel, done: make(chan struct{}),
		client: c, news: make(chan struct{}), gate: make(chan struct{}),
	}
	close(s.gate)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).
		DeltaAggregatedResources(ctx, grpc.ForceCodecV2(s.codec), grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a delta ADS stream: %w", err)
	}
	s.stream = stream
	s.mu.Lock()
	err = s.send(c.Connect())
	s.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	go s.read(ctx)
	return s, nil
}

// read takes responses until the stream ends.
func (s *Session) read(ctx context.Context) {
	defer close(s.done)
	for {
		s.mu.Lock()
		gate := s.gate
		s.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		response, err := s.stream.Recv()
		if err == nil {
			err = s.take(response, time.Now())
		}
		if err != nil {
			s.mu.Lock()
			if ctx.Err() == nil {
				s.err = fmt.Errorf("read from the server: %w", err)
			}
			close(s.news)
			s.news = make(chan struct{})
			s.mu.Unlock()
			return
		}
	}
}

// take gives one response to the client and sends what it says.
func (s *Session) take(r *discoveryv3.DeltaDiscoveryResponse, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := resource.TypeURL(r.GetTypeUrl())
	requests := s.client.Receive(r)
	count := s.client.Counts[t]
	count.Bytes += s.codec.received
	s.client.Counts[t] = count
	s.last = at
	close(s.news)
	s.news = make(chan struct{})
	return s.send(requests)
}

// send writes requests. mu is held, so that they keep their order.
func (s *Session) send(requests []*discoveryv3.DeltaDiscoveryRequest) error {
	for _, r := range requests {
		// io.EOF says that the stream ended; Recv has the reason.
		if err := s.stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("send a request of %s: %w", resource.TypeURL(r.GetTypeUrl()).Short(), err)
		}
	}
	return nil
}

// Do gives the client to f and sends the requests that f returns, such as those
// of Client.Ask.
func (s *Session) Do(f func(*Client) []*discoveryv3.DeltaDiscoveryRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(f(s.client))
}

// Look gives the client to f, which must not change it.
func (s *Session) Look(f func(*Client)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.client)
}

// Await returns nil once cond holds; it is asked now and after each response.
// The error is that of ctx or of the stream.
func (s *Session) Await(ctx context.Context, cond func(*Client) bool) error {
	for {
		s.mu.Lock()
		ok, news, err := cond(s.client), s.news, s.err
		s.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-news:
		case <-s.done:
			if err := s.Err(); err != nil {
				return err
			}
			return errors.New("the session is closed")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stall stops reading, as a proxy does that is busy or stuck; of what is on its
// way at most one more response is taken. Go on with Proceed.
func (s *Session) Stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gate:
		s.gate = make(chan struct{})
	default: // Stalled already.
	}
}

// Proceed reads again after Stall.
func (s *Session) Proceed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gate:
	default:
		close(s.gate)
	}
}

// Last is when the last response of this session came, zero if none did.
func (s *Session) Last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Sent is how many bytes of requests this session sent.
func (s *Session) Sent() int { return int(s.codec.sent.Load()) }

// Err is why the stream ended by itself; nil while it runs and after Close.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the stream and waits until the client is the caller's again.
func (s *Session) Close() {
	s.cancel()
	<-s.done
}
