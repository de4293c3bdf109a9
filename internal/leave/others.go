package leave

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

// connectTimeout is after how long an address is taken to have nobody.
const connectTimeout = 2 * time.Second

// Others are the other discoveries of a mesh, each with proxies of its own. Its
// fields are set once; it may be used concurrently.
type Others struct {
	// Addresses are those of now, each host:port.
	Addresses func(ctx context.Context) []string
	// TLS is what to connect with now.
	TLS func() (*tls.Config, error)
	Log logr.Logger
}

// Ask returns nil once all have said that their proxies heard of a pod's going
// (namespace/name), or the error of ctx. Left out is who cannot be connected to,
// because whom it serves cannot be told, and who does not answer the question,
// as an older version.
func (o *Others) Ask(ctx context.Context, pod string) error {
	var asked sync.WaitGroup
	for _, address := range o.Addresses(ctx) {
		asked.Go(func() {
			if err := o.ask(ctx, address, pod); err != nil && ctx.Err() == nil {
				o.Log.V(1).Info("Leaving out another discovery", "address", address, "reason", err.Error())
			}
		})
	}
	asked.Wait()
	return ctx.Err()
}

func (o *Others) ask(ctx context.Context, address, pod string) error {
	config, err := o.TLS()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithNoProxy(), grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectTimeout}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return ask(ctx, conn, heard, pod)
}
