package adsclient

import (
	"context"
	"fmt"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

// maxResponse is above what any test's mesh takes.
const maxResponse = 256 << 20

// Run connects the client over gRPC and lets it answer until the stream ends or
// ctx does. after, if set, is called after each response, before its answers are
// sent; returning false ends the stream. The client must not be used elsewhere
// meanwhile.
func (c *Client) Run(ctx context.Context, conn grpc.ClientConnInterface, after func(*discoveryv3.DeltaDiscoveryResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, grpc.MaxCallRecvMsgSize(maxResponse))
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	requests := c.Connect()
	for {
		for _, r := range requests {
			if err := stream.Send(r); err != nil {
				break // Recv tells why.
			}
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		requests = c.Receive(response)
		if after != nil && !after(response) {
			return nil
		}
	}
}
