package adsclient

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// Resource is one resource as received.
type Resource struct {
	Version string
	Body    *anypb.Any
}

// Refs is what a resource names.
type Refs struct {
	// Endpoints of a cluster, Routes and Secrets that come by ADS, Clusters.
	Endpoints, Routes, Secrets, Clusters []string
	// Domains of a virtual host.
	Domains []string
	// VHDS: a route configuration whose virtual hosts come by VHDS.
	VHDS bool
}

// parsed remembers refs by type and version, for all clients.
var parsed sync.Map

// Refs reads what the resource names. The same bytes are read once.
func (r Resource) Refs() *Refs {
	if r.Body == nil {
		return &Refs{}
	}
	key := r.Body.GetTypeUrl() + " " + r.Version
	if known, ok := parsed.Load(key); ok {
		return known.(*Refs)
	}
	refs := &Refs{}
	msg, err := r.Body.UnmarshalNew()
	if err != nil {
		panic(fmt.Sprintf("unmarshal %s: %v", r.Body.GetTypeUrl(), err))
	}
	refs.visit(msg)
	for _, list := range []*[]string{&refs.Endpoints, &refs.Routes, &refs.Secrets, &refs.Clusters} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	parsed.Store(key, refs)
	return refs
}

// visit notes the references of one message and of all within it.
func (f *Refs) visit(m proto.Message) {
	switch v := m.(type) {
	case *anypb.Any:
		if inner, err := v.UnmarshalNew(); err == nil {
			f.visit(inner)
		}
		return
	case *clusterv3.Cluster:
		if v.GetType() == clusterv3.Cluster_EDS {
			name := v.GetEdsClusterConfig().GetServiceName()
			if name == "" {
				name = v.GetName()
			}
			f.Endpoints = append(f.Endpoints, name)
		}
	case *hcmv3.Rds:
		f.Routes = append(f.Routes, v.GetRouteConfigName())
	case *routev3.RouteConfiguration:
		f.VHDS = v.GetVhds() != nil
	case *routev3.VirtualHost:
		f.Domains = v.GetDomains()
	case *routev3.RouteAction:
		f.cluster(v.GetCluster())
	case *routev3.WeightedCluster_ClusterWeight:
		f.cluster(v.GetName())
	case *routev3.RouteAction_RequestMirrorPolicy:
		f.cluster(v.GetCluster())
	case *tcpv3.TcpProxy:
		f.cluster(v.GetCluster())
	case *tlsv3.SdsSecretConfig:
		if strings.HasPrefix(v.GetName(), "kubernetes://") {
			f.Secrets = append(f.Secrets, v.GetName())
		}
	}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
					f.visit(e.Message().Interface())
					return true
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				f.visit(v.List().Get(i).Message().Interface())
			}
		default:
			f.visit(v.Message().Interface())
		}
		return true
	})
}

func (f *Refs) cluster(name string) {
	if name != "" {
		f.Clusters = append(f.Clusters, name)
	}
}
