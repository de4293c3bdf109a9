package meshtest

import (
	"net/http"
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// Call says where a request goes by a route configuration, as Envoy documents
// its matching: the names of the clusters, joined by " or " where weights
// decide, or "redirect 301" and the like; "404" if nothing matches.
func (r Resources) Call(route string, request *http.Request) string {
	vh := r.virtualHost(route, request.Host)
	if vh == nil {
		return "404"
	}
	if vh.GetRequireTls() == routev3.VirtualHost_ALL {
		return "redirect to https"
	}
	for _, candidate := range vh.GetRoutes() {
		if matches(candidate.GetMatch(), request) {
			return action(candidate)
		}
	}
	return "404"
}

// virtualHost finds the longest domain that holds: exact ones, then suffixes,
// then "*".
func (r Resources) virtualHost(route, host string) *routev3.VirtualHost {
	host, _, _ = strings.Cut(host, ":")
	var best *routev3.VirtualHost
	length := -1
	for _, vh := range r.VirtualHosts(route) {
		for _, domain := range vh.GetDomains() {
			suffix, wild := strings.CutPrefix(domain, "*")
			switch {
			case domain == host:
				return vh
			case wild && strings.HasSuffix(host, suffix) && len(host) > len(suffix) && len(suffix) > length:
				best, length = vh, len(suffix)
			}
		}
	}
	return best
}

func matches(m *routev3.RouteMatch, request *http.Request) bool {
	path, prefix, exact := request.URL.Path, m.GetPrefix(), m.GetPath()
	if m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue() {
		path, prefix, exact = strings.ToLower(path), strings.ToLower(prefix), strings.ToLower(exact)
	}
	switch {
	case m.GetSafeRegex() != nil:
		if !whole(m.GetSafeRegex().GetRegex(), path) {
			return false
		}
	case exact != "":
		if path != exact {
			return false
		}
	case !strings.HasPrefix(path, prefix):
		return false
	}
	for _, h := range m.GetHeaders() {
		if header(h, request) == h.GetInvertMatch() {
			return false
		}
	}
	return true
}

func header(h *routev3.HeaderMatcher, request *http.Request) bool {
	value, present := request.Header.Get(h.GetName()), len(request.Header.Values(h.GetName())) > 0
	switch h.GetName() {
	case ":method":
		value, present = request.Method, true
	case ":authority":
		value, present = request.Host, true
	case ":scheme":
		value, present = request.URL.Scheme, true
	}
	if !present && !h.GetTreatMissingHeaderAsEmpty() {
		// Envoy: what is missing does not match, inverted or not, unless it is
		// presence that is asked for.
		return h.GetInvertMatch() && h.GetStringMatch() != nil
	}
	if h.GetStringMatch() == nil {
		return present
	}
	return text(h.GetStringMatch(), value)
}

func text(m *matcherv3.StringMatcher, value string) bool {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return value == p.Exact
	case *matcherv3.StringMatcher_Prefix:
		return strings.HasPrefix(value, p.Prefix)
	case *matcherv3.StringMatcher_SafeRegex:
		return whole(p.SafeRegex.GetRegex(), value)
	}
	return false
}

func whole(regex, value string) bool {
	return regexp.MustCompile("^(?:" + regex + ")$").MatchString(value)
}

func action(route *routev3.Route) string {
	switch a := route.GetAction().(type) {
	case *routev3.Route_Redirect:
		return "redirect " + a.Redirect.GetResponseCode().String()
	case *routev3.Route_DirectResponse:
		return http.StatusText(int(a.DirectResponse.GetStatus()))
	case *routev3.Route_Route:
		if a.Route.GetCluster() != "" {
			return a.Route.GetCluster()
		}
		var names []string
		for _, c := range a.Route.GetWeightedClusters().GetClusters() {
			names = append(names, c.GetName())
		}
		return strings.Join(names, " or ")
	}
	return ""
}
