package translate

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	previousprioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/view"
)

// routes makes the routes of one virtual host, and notes the clusters that
// they name.
type routes struct {
	mesh.Reader
	// gateway and port are where the requests came in.
	gateway  string
	port     int32
	clusters []string
}

// of are the routes of a VirtualService, up to the first that takes everything.
func (b *routes) of(vs *mesh.VirtualService) []*routev3.Route {
	var out []*routev3.Route
	for i := range vs.HTTP {
		rule := &vs.HTTP[i]
		matches := rule.Matches
		if len(matches) == 0 {
			matches = []mesh.HTTPMatch{{}}
		}
		for j := range matches {
			m := &matches[j]
			if !view.Applies(b, m, b.gateway, b.port) {
				continue
			}
			route := &routev3.Route{Name: routeName(rule, m), Match: routeMatch(m), StatPrefix: m.StatPrefix}
			b.act(route, rule, m)
			out = append(out, route)
			if takesAll(route.GetMatch()) {
				return out
			}
		}
	}
	return out
}

// to is the route of a service that no VirtualService is about.
func (b *routes) to(cluster string) *routev3.Route {
	b.clusters = append(b.clusters, cluster)
	return &routev3.Route{
		Name:  "default",
		Match: everyPath(),
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
			Timeout:          envoy.Duration(0),
			RetryPolicy:      retryPolicy(nil),
		}},
	}
}

// routeName is Istio's: the match's name after the rule's.
func routeName(rule *mesh.HTTPRoute, m *mesh.HTTPMatch) string {
	if m.Name == "" {
		return rule.Name
	}
	return rule.Name + "." + m.Name
}

func (b *routes) act(route *routev3.Route, rule *mesh.HTTPRoute, m *mesh.HTTPMatch) {
	changeHeaders(route, &rule.Headers)
	if rule.CORS != nil {
		setFilter(route, envoy.FilterCORS, cors(rule.CORS))
	}
	switch {
	case rule.Redirect != nil:
		route.Action = &routev3.Route_Redirect{Redirect: b.redirect(rule.Redirect)}
		return
	case rule.DirectStatus != 0:
		direct := &routev3.DirectResponseAction{Status: rule.DirectStatus}
		if rule.DirectBody != "" {
			direct.Body = &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: rule.DirectBody}}
		}
		route.Action = &routev3.Route_DirectResponse{DirectResponse: direct}
		return
	}
	action := &routev3.RouteAction{
		Timeout:               envoy.Duration(rule.Timeout),
		RetryPolicy:           retryPolicy(rule.Retries),
		RequestMirrorPolicies: b.mirrors(rule.Mirrors),
	}
	if rule.Headers.Authority != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: rule.Headers.Authority}
	}
	if rule.Rewrite != nil {
		setRewrite(action, rule.Rewrite, m.URI)
	}
	if rule.Fault != nil {
		setFilter(route, envoy.FilterFault, fault(rule.Fault))
	}
	route.Action = &routev3.Route_Route{Route: action}
	b.setClusters(route, action, rule.Destinations)
}

// setClusters sends to one cluster, or to several by weight.
func (b *routes) setClusters(route *routev3.Route, action *routev3.RouteAction, list []mesh.Destination) {
	if len(list) > 1 {
		list = slices.DeleteFunc(slices.Clone(list), func(d mesh.Destination) bool { return d.Weight == 0 })
	}
	if len(list) == 0 {
		action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: blackHoleCluster}
		b.clusters = append(b.clusters, blackHoleCluster)
		return
	}
	if len(list) == 1 {
		action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: b.destination(list[0])}
		changeHeaders(route, &list[0].Headers)
		if host := list[0].Headers.Authority; host != "" {
			action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: host}
		}
		return
	}
	weighted := &routev3.WeightedCluster{}
	for _, d := range list {
		c := &routev3.WeightedCluster_ClusterWeight{Name: b.destination(d), Weight: envoy.UInt32(d.Weight)}
		changeHeadersOf(c, &d.Headers)
		weighted.Clusters = append(weighted.Clusters, c)
	}
	action.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: weighted}
}

// destination is the cluster of a destination. One that the proxy does not have
// becomes the black hole, which answers 503 at once.
func (b *routes) destination(d mesh.Destination) string {
	name := b.clusterOf(d)
	if name == "" {
		name = blackHoleCluster
	}
	b.clusters = append(b.clusters, name)
	return name
}

// clusterOf is "" for a destination that the proxy does not have.
func (b *routes) clusterOf(d mesh.Destination) string {
	if s := view.VisibleService(b, d.Host); s != nil {
		if p := view.DestinationPort(s, d.Port, b.port); p != nil {
			if d.Subset == "" || view.PolicyOf(b, s).Subset(d.Subset) != nil {
				return outboundName(p.Number, d.Subset, s.Hostname)
			}
		}
	}
	return ""
}

// leaveALPN keeps the words for sniffed protocols from clusters that know
// their own.
func (b *routes) leaveALPN(vh *routev3.VirtualHost) {
	for _, route := range vh.GetRoutes() {
		action := route.GetRoute()
		if action == nil || b.allSniffed(action) {
			continue
		}
		setFilter(route, envoy.FilterALPN, &routev3.FilterConfig{Disabled: true})
	}
}

func (b *routes) allSniffed(action *routev3.RouteAction) bool {
	names := []string{action.GetCluster()}
	if w := action.GetWeightedClusters(); w != nil {
		names = names[:0]
		for _, c := range w.GetClusters() {
			names = append(names, c.GetName())
		}
	}
	for _, n := range names {
		port, _, host, ok := parseOutbound(n)
		if !ok {
			return false
		}
		s := view.Service(b, host)
		if s == nil {
			return false
		}
		if p := view.Port(s, port); p == nil || p.Protocol != mesh.ProtocolAuto {
			return false
		}
	}
	return true
}

// defaultRetryOn is what Istio retries where the user says nothing: only what
// no server has seen, and what gRPC says it did not do.
const defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled,reset-before-request"

// retryPolicy is nil where the user wants no retries.
func retryPolicy(r *mesh.Retries) *routev3.RetryPolicy {
	out := &routev3.RetryPolicy{
		RetryOn:    defaultRetryOn,
		NumRetries: envoy.UInt32(2),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "previous_hosts", // Envoy goes by the type
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: envoy.Any(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}},
		// Istio has 5. An endpoint that is gone fails at once, so it has few requests
		// under way and least-request prefers it: of two endpoints three picks in four
		// are the gone one, and with 5 one request in 45 was lost (ADR 9), with 50 none.
		HostSelectionRetryMaxAttempts: 50,
	}
	if r == nil {
		return retryUnreached(out)
	}
	if r.Attempts <= 0 {
		return nil
	}
	out.NumRetries = envoy.UInt32(uint32(r.Attempts))
	if r.PerTryTimeout > 0 {
		out.PerTryTimeout = envoy.Duration(r.PerTryTimeout)
	}
	if r.On != "" {
		out.RetryOn = r.On
	}
	if r.Backoff > 0 {
		out.RetryBackOff = &routev3.RetryPolicy_RetryBackOff{BaseInterval: envoy.Duration(r.Backoff)}
	}
	if r.SameHosts {
		out.RetryHostPredicate, out.HostSelectionRetryMaxAttempts = nil, 0
	}
	if r.OtherLocalities {
		out.RetryPriority = &routev3.RetryPolicy_RetryPriority{
			Name: "envoy.retry_priorities.previous_priorities",
			// Istio's: two attempts in one locality before the next.
			ConfigType: &routev3.RetryPolicy_RetryPriority_TypedConfig{TypedConfig: envoy.Any(&previousprioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: 2})},
		}
	}
	if len(r.StatusCodes) > 0 {
		out.RetriableStatusCodes = r.StatusCodes
		if !slices.Contains(strings.Split(out.RetryOn, ","), "retriable-status-codes") {
			out.RetryOn += ",retriable-status-codes"
		}
	}
	return retryUnreached(out)
}

func (b *routes) redirect(d *mesh.Redirect) *routev3.RedirectAction {
	out := &routev3.RedirectAction{HostRedirect: d.Authority, PortRedirect: uint32(d.Port)}
	if d.KeepPort {
		out.PortRedirect = uint32(b.port)
	}
	switch {
	case d.URI != "":
		out.PathRewriteSpecifier = &routev3.RedirectAction_PathRedirect{PathRedirect: d.URI}
	case d.PrefixRewrite != "":
		out.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: d.PrefixRewrite}
	}
	if d.Scheme != "" {
		out.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: d.Scheme}
	}
	switch d.Code {
	case 302:
		out.ResponseCode = routev3.RedirectAction_FOUND
	case 303:
		out.ResponseCode = routev3.RedirectAction_SEE_OTHER
	case 307:
		out.ResponseCode = routev3.RedirectAction_TEMPORARY_REDIRECT
	case 308:
		out.ResponseCode = routev3.RedirectAction_PERMANENT_REDIRECT
	}
	return out
}

// setRewrite replaces what the match has matched, as Istio does.
func setRewrite(action *routev3.RouteAction, rw *mesh.Rewrite, uri *mesh.StringMatch) {
	if rw.Authority != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: rw.Authority}
	}
	switch {
	case rw.URIRegex != "":
		action.RegexRewrite = regexRewrite(rw.URIRegex, rw.URISubstitution)
	case rw.URI == "":
	case rw.URI == "/" && uri != nil && uri.Kind == mesh.MatchPrefix && !strings.HasSuffix(uri.Value, "/"):
		// "/admin/x" without its prefix begins with a slash already.
		action.RegexRewrite = regexRewrite("^"+quoteRE2(uri.Value)+"(/?)(.*)", `/\2`)
	default:
		action.PrefixRewrite = rw.URI
	}
}

func regexRewrite(regex, substitution string) *matcherv3.RegexMatchAndSubstitute {
	return &matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: regex}, Substitution: substitution}
}
