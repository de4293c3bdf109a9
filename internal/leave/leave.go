package leave

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	service = "meshwright.v1.Leave"
	method  = "Withdrawn"
)

// Server answers for the pods whose proxies it serves.
type Server interface {
	// Withdrawn returns nil once no proxy that was connected sends new requests
	// to the pod of a node id. Errors are gRPC statuses; FailedPrecondition means
	// that nobody has asked the pod to go.
	Withdrawn(ctx context.Context, node string) error
}

// Register adds the service to a gRPC server.
func Register(r grpc.ServiceRegistrar, s Server) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*Server)(nil),
		Methods: []grpc.MethodDesc{{MethodName: method, Handler: func(s any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			node := &wrapperspb.StringValue{}
			if err := decode(node); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, s.(Server).Withdrawn(ctx, node.GetValue())
		}}},
	}, s)
}

// Ask waits for a Server's answer about a node id, as long as ctx lasts.
func Ask(ctx context.Context, conn grpc.ClientConnInterface, node string) error {
	return conn.Invoke(ctx, "/"+service+"/"+method, wrapperspb.String(node), &emptypb.Empty{})
}
