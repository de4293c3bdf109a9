package translate

import (
	"math"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonfaultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
)

// setFilter tells an HTTP filter what it does on a route.
func setFilter(route *routev3.Route, name string, config proto.Message) {
	if route.TypedPerFilterConfig == nil {
		route.TypedPerFilterConfig = map[string]*anypb.Any{}
	}
	route.TypedPerFilterConfig[name] = envoy.Any(config)
}

// fraction is as exact as Istio's: in millionths.
func fraction(percent float64) *typev3.FractionalPercent {
	return &typev3.FractionalPercent{Numerator: uint32(math.Round(percent * 10_000)), Denominator: typev3.FractionalPercent_MILLION}
}

func fault(f *mesh.Fault) *faultv3.HTTPFault {
	out := &faultv3.HTTPFault{}
	if d := f.Delay; d != nil {
		out.Delay = &commonfaultv3.FaultDelay{
			FaultDelaySecifier: &commonfaultv3.FaultDelay_FixedDelay{FixedDelay: envoy.Duration(d.Fixed)},
			Percentage:         fraction(d.Percent),
		}
	}
	if a := f.Abort; a != nil {
		out.Abort = &faultv3.FaultAbort{Percentage: fraction(a.Percent)}
		if a.HTTPStatus != 0 {
			out.Abort.ErrorType = &faultv3.FaultAbort_HttpStatus{HttpStatus: a.HTTPStatus}
		} else {
			out.Abort.ErrorType = &faultv3.FaultAbort_GrpcStatus{GrpcStatus: a.GRPCStatus}
		}
	}
	return out
}

func cors(c *mesh.CORS) *corsv3.CorsPolicy {
	out := &corsv3.CorsPolicy{
		AllowMethods: strings.Join(c.Methods, ","), AllowHeaders: strings.Join(c.Headers, ","), ExposeHeaders: strings.Join(c.ExposeHeaders, ","),
		FilterEnabled:                &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}},
		ForwardNotMatchingPreflights: envoy.Bool(!c.KeepUnmatchedPreflight),
	}
	if c.MaxAge > 0 {
		out.MaxAge = strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	}
	if c.Credentials != nil {
		out.AllowCredentials = envoy.Bool(*c.Credentials)
	}
	for _, o := range c.Origins {
		out.AllowOriginStringMatch = append(out.AllowOriginStringMatch, stringMatcher(o))
	}
	return out
}

func stringMatcher(m mesh.StringMatch) *matcherv3.StringMatcher {
	switch m.Kind {
	case mesh.MatchPrefix:
		return envoy.Prefix(m.Value)
	case mesh.MatchRegex:
		return envoy.Regex(m.Value)
	}
	return envoy.Exact(m.Value)
}

// mirrors are the copies of a route. What the proxy has no cluster for is left
// out: nobody waits for it.
func (b *routes) mirrors(list []mesh.Mirror) []*routev3.RouteAction_RequestMirrorPolicy {
	var out []*routev3.RouteAction_RequestMirrorPolicy
	for _, m := range list {
		cluster := b.clusterOf(m.Destination)
		if cluster == "" || m.Percent <= 0 {
			continue
		}
		b.clusters = append(b.clusters, cluster)
		out = append(out, &routev3.RouteAction_RequestMirrorPolicy{
			Cluster:         cluster,
			RuntimeFraction: &corev3.RuntimeFractionalPercent{DefaultValue: fraction(m.Percent)},
			TraceSampled:    envoy.Bool(false),
		})
	}
	return out
}
