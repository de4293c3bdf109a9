package xds

import (
	"context"
	"errors"
	"strings"
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

// Withdrawn implements leave.Server. Only a pod's own proxy may ask for it.
func (s *Server) Withdrawn(ctx context.Context, node string) error {
	return s.untilClosing(ctx, func(ctx context.Context) error {
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
		others := make(chan error, 1)
		go func() { others <- s.askOthers(ctx, pod) }()
		if err := s.heard(ctx, pod); err != nil {
			return err
		}
		return <-others
	})
}

// Heard implements leave.Server. Only another discovery may ask.
func (s *Server) Heard(ctx context.Context, pod string) error {
	if s.cfg.Callers == nil {
		return status.Error(codes.Unimplemented, "discoveries ask one another over TLS alone")
	}
	caller, err := s.cfg.Callers.ByCertificate(ctx)
	if err != nil {
		return err
	}
	if caller.ID != s.cfg.Self {
		return status.Errorf(codes.PermissionDenied, "%s may not ask as discovery", caller.ID)
	}
	namespace, name, ok := strings.Cut(pod, "/")
	if !ok {
		return status.Errorf(codes.InvalidArgument, "pod %q: want namespace/name", pod)
	}
	return s.untilClosing(ctx, func(ctx context.Context) error {
		return s.heard(ctx, mesh.Key{Kind: mesh.KindWorkload, Namespace: namespace, Name: name})
	})
}

// heard waits until our own proxies have.
func (s *Server) heard(ctx context.Context, pod mesh.Key) error {
	if err := s.cfg.Engine.Acknowledged(ctx, resource.Endpoints, func(l mesh.Lookup) bool { return s.cfg.Withdrawn(l, pod) }); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

func (s *Server) askOthers(ctx context.Context, pod mesh.Key) error {
	if s.cfg.Others == nil {
		return nil
	}
	if err := s.cfg.Others(ctx, pod.Namespace+"/"+pod.Name); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

// untilClosing ends do when the server closes: another replica knows then.
func (s *Server) untilClosing(ctx context.Context, do func(context.Context) error) error {
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
	err := do(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errClosing) {
		return errClosing
	}
	return err
}
