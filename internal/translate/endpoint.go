package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/view"
)

// endpoints implements resource.Build for the cluster of the same name.
func endpoints(r mesh.Reader, name string) resource.Built {
	port, subset, host, ok := parseOutbound(name)
	if !ok {
		return resource.Built{}
	}
	t, ok := findTarget(r, port, subset, host)
	if !ok || t.kind != clusterv3.Cluster_EDS {
		return resource.Built{}
	}
	var labels map[string]string
	if t.subset != nil {
		labels = t.subset.Labels
	}
	found := view.Endpoints(r, t.service, t.port, labels)
	out := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	cluster := view.Config(r).ClusterID
	// Priorities without outlier detection would never fail over (Istio's rule).
	// Then it does not matter where anybody is, and it is neither asked nor told.
	if t.traffic.Outlier == nil {
		if len(found) > 0 {
			out.Endpoints = []*endpointv3.LocalityLbEndpoints{{LbEndpoints: lbEndpoints(cluster, found)}}
		}
		return resource.Built{Msg: out}
	}
	groups := map[view.Locality][]view.Endpoint{}
	for _, e := range found {
		at := e.Locality(r)
		groups[at] = append(groups[at], e)
	}
	for _, at := range slices.SortedFunc(maps.Keys(groups), func(a, b view.Locality) int { return strings.Compare(a.String(), b.String()) }) {
		out.Endpoints = append(out.Endpoints, &endpointv3.LocalityLbEndpoints{
			Locality:            &corev3.Locality{Region: at.Region, Zone: at.Zone, SubZone: at.Subzone},
			LbEndpoints:         lbEndpoints(cluster, groups[at]),
			LoadBalancingWeight: envoy.UInt32(uint32(len(groups[at]))),
		})
	}
	if len(out.Endpoints) > 1 {
		prioritise(view.ProxyLocality(r), out.Endpoints)
	}
	return resource.Built{Msg: out}
}

func lbEndpoints(cluster string, list []view.Endpoint) []*endpointv3.LbEndpoint {
	out := make([]*endpointv3.LbEndpoint, 0, len(list))
	for _, e := range list {
		lb := &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: envoy.Address(e.Address, e.Port)}},
			Metadata:       endpointMetadata(cluster, e),
		}
		if e.Draining {
			lb.HealthStatus = corev3.HealthStatus_DRAINING
		}
		out = append(out, lb)
	}
	return out
}

// endpointMetadata says whether the endpoint takes the mesh's TLS, and which
// workload it is, in Istio's form: workload;namespace;app;version;cluster.
func endpointMetadata(cluster string, e view.Endpoint) *corev3.Metadata {
	fields := map[string]*structpb.Struct{}
	if e.Mutual {
		fields["envoy.transport_socket_match"] = &structpb.Struct{Fields: map[string]*structpb.Value{
			tlsModeKey: structpb.NewStringValue(tlsModeIstio),
		}}
	}
	if w := e.Workload; w != nil {
		name := firstLabel(w, w.Owner, "service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
		version := firstLabel(w, "latest", "service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
		fields["istio"] = &structpb.Struct{Fields: map[string]*structpb.Value{
			"workload": structpb.NewStringValue(strings.Join([]string{w.Owner, w.Namespace, name, version, cluster}, ";")),
		}}
	}
	if len(fields) == 0 {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: fields}
}

func firstLabel(w *mesh.Workload, otherwise string, keys ...string) string {
	for _, k := range keys {
		if v := w.Labels[k]; v != "" {
			return v
		}
	}
	return otherwise
}

// prioritise puts the places nearest to the client first. Envoy wants
// priorities without gaps.
func prioritise(client view.Locality, list []*endpointv3.LocalityLbEndpoints) {
	distance := func(e *endpointv3.LocalityLbEndpoints) int {
		at := e.GetLocality()
		return client.Distance(view.Locality{Region: at.GetRegion(), Zone: at.GetZone(), Subzone: at.GetSubZone()})
	}
	slices.SortStableFunc(list, func(a, b *endpointv3.LocalityLbEndpoints) int {
		return cmp.Compare(distance(a), distance(b))
	})
	for i, e := range list {
		switch {
		case i == 0:
		case distance(e) == distance(list[i-1]):
			e.Priority = list[i-1].GetPriority()
		default:
			e.Priority = list[i-1].GetPriority() + 1
		}
	}
}
