package xds

import (
	"context"
	"errors"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// leaveWait is how long a pod that says that it goes may be ahead of what the
// API server told us.
const leaveWait = 2 * time.Second

// Withdrawn implements leave.Server. Only a pod's own proxy may ask for it. With
// several replicas each answers for the proxies that it serves.
func (s *Server) Withdrawn(ctx context.Context, node string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-s.closing:
			cancel(errClosing)
		case <-ended:
		}
	}()
	err := s.withdrawn(ctx, node)
	if err != nil && errors.Is(context.Cause(ctx), errClosing) {
		return errClosing // another replica knows
	}
	return err
}

func (s *Server) withdrawn(ctx context.Context, node string) error {
	proxy, err := s.identify(ctx, &corev3.Node{Id: node})
	if err != nil {
		return err
	}
	pod := mesh.Key{Kind: mesh.KindWorkload, Namespace: proxy.Namespace, Name: proxy.Pod}
	soon, cancel := context.WithTimeout(ctx, leaveWait)
	defer cancel()
	if s.cfg.Engine.Workload(soon, pod, func(w *mesh.Workload) bool { return w.Leaving }) == nil {
		return status.Errorf(codes.FailedPrecondition, "pod %s/%s is not to go", proxy.Namespace, proxy.Pod)
	}
	if err := s.cfg.Engine.Acknowledged(ctx, resource.Endpoints, func(l mesh.Lookup) bool { return s.cfg.Withdrawn(l, pod) }); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}
