package xds

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/mesh"
)

// podWait is how long a proxy waits for its own Pod: the informers may be
// behind a pod that was just started.
const podWait = 10 * time.Second

// revisionLabel is on pods with a proxy (Istio's).
const revisionLabel = "istio.io/rev"

// ParseNode reads a node id of Istio's form, type~ip~pod.namespace~domain. The
// error says which part is wrong.
func ParseNode(id string) (mesh.Proxy, error) {
	parts := strings.Split(id, "~")
	if len(parts) != 4 {
		return mesh.Proxy{}, fmt.Errorf("node id %q: want type~ip~pod.namespace~domain", id)
	}
	p := mesh.Proxy{ID: id, Type: parts[0], IP: parts[1]}
	if p.Type != mesh.ProxySidecar && p.Type != mesh.ProxyRouter {
		return p, fmt.Errorf("node id %q: type is %q, want %s or %s", id, p.Type, mesh.ProxySidecar, mesh.ProxyRouter)
	}
	if _, err := netip.ParseAddr(p.IP); err != nil {
		return p, fmt.Errorf("node id %q: %w", id, err)
	}
	dot := strings.LastIndexByte(parts[2], '.')
	if dot <= 0 || dot == len(parts[2])-1 {
		return p, fmt.Errorf("node id %q: %q is not pod.namespace", id, parts[2])
	}
	p.Pod, p.Namespace = parts[2][:dot], parts[2][dot+1:]
	if !strings.HasPrefix(parts[3], p.Namespace+".svc.") {
		return p, fmt.Errorf("node id %q: domain %q is not of namespace %s", id, parts[3], p.Namespace)
	}
	return p, nil
}

// identify says who is at the other end. Errors are gRPC statuses:
// InvalidArgument for a bad node, Unauthenticated, PermissionDenied for a proxy
// that asks as another, Unavailable if its Pod is not known yet.
func (s *Server) identify(ctx context.Context, node *corev3.Node) (mesh.Proxy, error) {
	p, err := ParseNode(node.GetId())
	if err != nil {
		return p, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.cfg.Callers == nil {
		believe(&p, node)
		return p, nil
	}
	caller, err := s.cfg.Callers.ByCertificate(ctx)
	if err != nil {
		return p, err
	}
	if caller.ID.Namespace != p.Namespace {
		return p, status.Errorf(codes.PermissionDenied, "%s may not ask as a proxy of namespace %s", caller.ID, p.Namespace)
	}
	ctx, cancel := context.WithTimeout(ctx, podWait)
	defer cancel()
	known := func(w *mesh.Workload) bool { return slices.Contains(w.IPs, p.IP) }
	w := s.cfg.Engine.Workload(ctx, mesh.Key{Kind: mesh.KindWorkload, Namespace: p.Namespace, Name: p.Pod}, known)
	switch {
	case w == nil:
		return p, status.Errorf(codes.Unavailable, "pod %s/%s with address %s is not known", p.Namespace, p.Pod, p.IP)
	case w.ServiceAccount != caller.ID.ServiceAccount:
		return p, status.Errorf(codes.PermissionDenied, "%s may not ask as pod %s/%s, whose ServiceAccount is %s", caller.ID, p.Namespace, p.Pod, w.ServiceAccount)
	case w.Router != (p.Type == mesh.ProxyRouter):
		return p, status.Errorf(codes.PermissionDenied, "pod %s/%s may not ask as a %s", p.Namespace, p.Pod, p.Type)
	}
	p.ServiceAccount, p.Revision = w.ServiceAccount, w.Labels[revisionLabel]
	return p, nil
}

// believe takes what a node claims, by Istio's metadata keys.
func believe(p *mesh.Proxy, node *corev3.Node) {
	fields := node.GetMetadata().GetFields()
	if ns := fields["NAMESPACE"].GetStringValue(); ns != "" {
		p.Namespace = ns
	}
	p.ServiceAccount = fields["SERVICE_ACCOUNT"].GetStringValue()
	p.Labels = map[string]string{}
	for k, v := range fields["LABELS"].GetStructValue().GetFields() {
		p.Labels[k] = v.GetStringValue()
	}
	if l := node.GetLocality(); l != nil {
		p.Locality = l.GetRegion() + "/" + l.GetZone() + "/" + l.GetSubZone()
	}
}
