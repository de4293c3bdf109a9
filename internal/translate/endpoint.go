package translate

import (
	"cmp"
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
	for _, group := range byLocality(found) {
		out.Endpoints = append(out.Endpoints, localityEndpoints(view.Config(r).ClusterID, group))
	}
	// Priorities without outlier detection would never fail over (Istio's rule).
	// Then the client's place does not matter either.
	if t.traffic.Outlier != nil && len(out.Endpoints) > 1 {
		prioritise(view.ProxyLocality(r), out.Endpoints)
	}
	return resource.Built{Msg: out}
}

// byLocality groups endpoints by place, places and members in order.
func byLocality(list []view.Endpoint) [][]view.Endpoint {
	slices.SortStableFunc(list, func(a, b view.Endpoint) int {
		return strings.Compare(a.Locality.String(), b.Locality.String())
	})
	var out [][]view.Endpoint
	for i, e := range list {
		if i == 0 || e.Locality != list[i-1].Locality {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], e)
	}
	return out
}

func localityEndpoints(cluster string, group []view.Endpoint) *endpointv3.LocalityLbEndpoints {
	at := group[0].Locality
	out := &endpointv3.LocalityLbEndpoints{
		Locality:            &corev3.Locality{Region: at.Region, Zone: at.Zone, SubZone: at.Subzone},
		LoadBalancingWeight: envoy.UInt32(uint32(len(group))),
	}
	for _, e := range group {
		lb := &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: envoy.Address(e.Address, e.Port)}},
			Metadata:       endpointMetadata(cluster, e),
		}
		if e.Draining {
			lb.HealthStatus = corev3.HealthStatus_DRAINING
		}
		out.LbEndpoints = append(out.LbEndpoints, lb)
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
