package leave

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	service   = "meshwright.v1.Leave"
	withdrawn = "Withdrawn"
	heard     = "Heard"
)

// Server answers for the pods of its mesh. Errors are gRPC statuses.
type Server interface {
	// Withdrawn returns nil once no proxy that was connected, to whichever
	// discovery of the mesh, sends new requests to the pod of a node id.
	// FailedPrecondition means that nobody has asked the pod to go.
	Withdrawn(ctx context.Context, node string) error
	// Heard is one discovery's question to another: it returns nil once no proxy
	// that was connected to this one sends new requests to a pod, namespace/name.
	Heard(ctx context.Context, pod string) error
}

// Register adds the service to a gRPC server.
func Register(r grpc.ServiceRegistrar, s Server) {
	method := func(name string, answer func(context.Context, string) error) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			subject := &wrapperspb.StringValue{}
			if err := decode(subject); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, answer(ctx, subject.GetValue())
		}}
	}
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*Server)(nil),
		Methods: []grpc.MethodDesc{method(withdrawn, s.Withdrawn), method(heard, s.Heard)},
	}, s)
}

// Ask waits for a Server's answer about a node id, as long as ctx lasts.
func Ask(ctx context.Context, conn grpc.ClientConnInterface, node string) error {
	return ask(ctx, conn, withdrawn, node)
}

func ask(ctx context.Context, conn grpc.ClientConnInterface, method, subject string) error {
	return conn.Invoke(ctx, "/"+service+"/"+method, wrapperspb.String(subject), &emptypb.Empty{})
}
