package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshwright/meshwright/internal/mesh"
)

// changeHeaders adds to what a route does to headers.
func changeHeaders(route *routev3.Route, h *mesh.Headers) {
	route.RequestHeadersToAdd = append(route.RequestHeadersToAdd, headerOptions(&h.Request)...)
	route.RequestHeadersToRemove = append(route.RequestHeadersToRemove, h.Request.Remove...)
	route.ResponseHeadersToAdd = append(route.ResponseHeadersToAdd, headerOptions(&h.Response)...)
	route.ResponseHeadersToRemove = append(route.ResponseHeadersToRemove, h.Response.Remove...)
}

// changeHeadersOf is changeHeaders for one of several destinations.
func changeHeadersOf(c *routev3.WeightedCluster_ClusterWeight, h *mesh.Headers) {
	c.RequestHeadersToAdd = headerOptions(&h.Request)
	c.RequestHeadersToRemove = h.Request.Remove
	c.ResponseHeadersToAdd = headerOptions(&h.Response)
	c.ResponseHeadersToRemove = h.Response.Remove
	if h.Authority != "" {
		c.HostRewriteSpecifier = &routev3.WeightedCluster_ClusterWeight_HostRewriteLiteral{HostRewriteLiteral: h.Authority}
	}
}

func headerOptions(c *mesh.HeaderChanges) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	add := func(list []mesh.HeaderValue, action corev3.HeaderValueOption_HeaderAppendAction) {
		for _, h := range list {
			out = append(out, &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: h.Name, Value: h.Value},
				AppendAction: action, KeepEmptyValue: h.Value == "",
			})
		}
	}
	add(c.Set, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
	add(c.Add, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
	return out
}
