package adsclient

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// credentialPrefix begins the names of secrets that come by ADS; all others come
// from the agent's socket.
const credentialPrefix = "kubernetes://"

// Resource is one resource as received. Equal bytes have the same Body, so that
// a thousand clients hold them once: it is not the caller's to change.
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

	// all are Endpoints, Routes, Secrets and Clusters.
	all []resource.Name
}

// body is one resource's bytes, and what they name.
type body struct {
	any  *anypb.Any
	refs *Refs
}

// bodies are all bodies that were ever received by any client of this process,
// by type and hash of the bytes; byAny finds the refs of a Resource.Body.
var (
	bodies sync.Map // bodyKey to *body
	byAny  sync.Map // *anypb.Any to *Refs
)

type bodyKey struct {
	typeURL string
	sum     uint64
	size    int
}

// received is a resource with its shared body.
func received(res *discoveryv3.Resource) Resource {
	got := res.GetResource()
	if _, shared := byAny.Load(got); shared {
		return Resource{Version: res.GetVersion(), Body: got}
	}
	key := bodyKey{got.GetTypeUrl(), xxhash.Sum64(got.GetValue()), len(got.GetValue())}
	known, ok := bodies.Load(key)
	if !ok {
		known, _ = bodies.LoadOrStore(key, &body{any: got, refs: parse(got)})
		byAny.Store(known.(*body).any, known.(*body).refs)
	}
	b := known.(*body)
	if !bytes.Equal(b.any.GetValue(), got.GetValue()) {
		panic("two resources have the same hash")
	}
	res.Resource = b.any
	return Resource{Version: res.GetVersion(), Body: b.any}
}

// Refs is what the resource names. The same bytes are read once. It panics for
// bytes that are no message of their type.
func (r Resource) Refs() *Refs {
	if r.Body == nil {
		return &Refs{}
	}
	if known, ok := byAny.Load(r.Body); ok {
		return known.(*Refs)
	}
	return parse(r.Body)
}

func parse(a *anypb.Any) *Refs {
	msg, err := a.UnmarshalNew()
	if err != nil {
		panic(fmt.Sprintf("unmarshal %s: %v", a.GetTypeUrl(), err))
	}
	refs := &Refs{}
	refs.visit(msg)
	for _, list := range []struct {
		of    resource.TypeURL
		names *[]string
	}{
		{resource.Endpoints, &refs.Endpoints}, {resource.Route, &refs.Routes},
		{resource.Secret, &refs.Secrets}, {resource.Cluster, &refs.Clusters},
	} {
		slices.Sort(*list.names)
		*list.names = slices.Compact(*list.names)
		for _, n := range *list.names {
			refs.all = append(refs.all, resource.Name{Type: list.of, Name: n})
		}
	}
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
	case *tcpv3.TcpProxy_WeightedCluster_ClusterWeight:
		f.cluster(v.GetName())
	case *tlsv3.SdsSecretConfig:
		if strings.HasPrefix(v.GetName(), credentialPrefix) {
			f.Secrets = append(f.Secrets, v.GetName())
		}
	}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		f.visitField(fd, v)
		return true
	})
}

func (f *Refs) visitField(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
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
}

func (f *Refs) cluster(name string) {
	if name != "" {
		f.Clusters = append(f.Clusters, name)
	}
}
