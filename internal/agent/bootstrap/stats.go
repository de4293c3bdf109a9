package bootstrap

import (
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Statistics that are kept; all others are never made, which halves the memory
// of a cluster. The list is Istio's in spirit. Readiness and drain read
// cluster_manager, listener_manager, server, downstream_cx_active and downstream_rq_active, tests and
// `meshwright proxies` read update_rejected.
var (
	statPrefixes = []string{
		"cluster_manager", "listener_manager", "server", "control_plane", "cluster.xds-grpc", "cluster.sds-grpc",
		"istio_", "overload",
	}
	statSuffixes = []string{
		"downstream_cx_active", "downstream_rq_active", "update_rejected", "ssl_context_update_by_sds",
		"rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied",
	}
)

// statTags turn the names of our clusters, which have dots in them, into
// labels; Envoy's own rule would cut them at the first.
var statTags = []*metricsv3.TagSpecifier{
	tag("cluster_name", `^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)`),
	tag("listener_address", `^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*|admin))\.)`),
	tag("http_conn_manager_prefix", `^http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*|[^.]*))\.)`),
}

func tag(name, regex string) *metricsv3.TagSpecifier {
	return &metricsv3.TagSpecifier{TagName: name, TagValue: &metricsv3.TagSpecifier_Regex{Regex: regex}}
}

func statsConfig() *metricsv3.StatsConfig {
	var patterns []*matcherv3.StringMatcher
	for _, p := range statPrefixes {
		patterns = append(patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p}})
	}
	for _, s := range statSuffixes {
		patterns = append(patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: s}})
	}
	return &metricsv3.StatsConfig{
		UseAllDefaultTags: wrapperspb.Bool(false),
		StatsTags:         statTags,
		StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_InclusionList{
			InclusionList: &matcherv3.ListStringMatcher{Patterns: patterns},
		}},
	}
}
