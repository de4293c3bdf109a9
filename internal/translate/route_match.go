package translate

import (
	"regexp"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
)

func everyPath() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
}

// routeMatch is what is left of a match for the proxy to compare.
func routeMatch(m *mesh.HTTPMatch) *routev3.RouteMatch {
	out := everyPath()
	if m.URI != nil {
		switch m.URI.Kind {
		case mesh.MatchExact:
			out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.URI.Value}
		case mesh.MatchPrefix:
			out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: m.URI.Value}
		case mesh.MatchRegex:
			out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.URI.Value}}
		}
		if m.IgnoreURICase && m.URI.Kind != mesh.MatchRegex {
			out.CaseSensitive = envoy.Bool(false)
		}
	}
	for _, pseudo := range []struct {
		name  string
		match *mesh.StringMatch
	}{{":method", m.Method}, {":authority", m.Authority}, {":scheme", m.Scheme}} {
		if pseudo.match != nil {
			out.Headers = append(out.Headers, headerMatch(pseudo.name, *pseudo.match))
		}
	}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, headerMatch(h.Name, h.StringMatch))
	}
	for _, h := range m.WithoutHeaders {
		without := headerMatch(h.Name, h.StringMatch)
		without.InvertMatch = true
		// A header that is not there does not hold the value either.
		without.TreatMissingHeaderAsEmpty = h.Kind != mesh.MatchPresent
		out.Headers = append(out.Headers, without)
	}
	for _, q := range m.Query {
		param := &routev3.QueryParameterMatcher{Name: q.Name}
		if q.Kind == mesh.MatchPresent {
			param.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true}
		} else {
			param.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: stringMatcher(q.StringMatch)}
		}
		out.QueryParameters = append(out.QueryParameters, param)
	}
	return out
}

func headerMatch(name string, m mesh.StringMatch) *routev3.HeaderMatcher {
	out := &routev3.HeaderMatcher{Name: name}
	str := func(s *matcherv3.StringMatcher) *routev3.HeaderMatcher_StringMatch {
		return &routev3.HeaderMatcher_StringMatch{StringMatch: s}
	}
	switch m.Kind {
	case mesh.MatchExact:
		out.HeaderMatchSpecifier = str(envoy.Exact(m.Value))
	case mesh.MatchPrefix:
		out.HeaderMatchSpecifier = str(envoy.Prefix(m.Value))
	case mesh.MatchRegex:
		out.HeaderMatchSpecifier = str(envoy.Regex(m.Value))
	default:
		out.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
	}
	return out
}

// takesAll reports whether nothing gets past a match.
func takesAll(m *routev3.RouteMatch) bool {
	return len(m.GetHeaders())+len(m.GetQueryParameters()) == 0 && m.GetPrefix() == "/"
}

func quoteRE2(s string) string { return regexp.QuoteMeta(s) }
