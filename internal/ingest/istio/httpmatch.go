package istio

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// httpMatch reads one alternative.
func (r reader) httpMatch(at *field.Path, m *networkingv1alpha3.HTTPMatchRequest) mesh.HTTPMatch {
	out := mesh.HTTPMatch{
		Name:            m.GetName(),
		URI:             r.stringMatch(at.Child("uri"), m.GetUri()),
		Method:          r.stringMatch(at.Child("method"), m.GetMethod()),
		Authority:       r.stringMatch(at.Child("authority"), m.GetAuthority()),
		Scheme:          r.stringMatch(at.Child("scheme"), m.GetScheme()),
		Headers:         r.headers(at.Child("headers"), m.GetHeaders()),
		WithoutHeaders:  r.headers(at.Child("withoutHeaders"), m.GetWithoutHeaders()),
		Gateways:        r.gateways(at.Child("gateways"), m.GetGateways()),
		IgnoreURICase:   m.GetIgnoreUriCase(),
		SourceNamespace: m.GetSourceNamespace(),
		SourceLabels:    m.GetSourceLabels(),
		StatPrefix:      m.GetStatPrefix(),
	}
	if m.GetPort() != 0 {
		out.Port = r.port(at.Child("port"), m.GetPort())
	}
	r.labels(at.Child("sourceLabels"), out.SourceLabels)
	if out.SourceNamespace != "" && len(validation.IsDNS1123Label(out.SourceNamespace)) > 0 {
		r.refuse(at.Child("sourceNamespace"), "%q is not a namespace", out.SourceNamespace)
	}
	if out.IgnoreURICase && out.URI != nil && out.URI.Kind == mesh.MatchRegex {
		r.suspect(at.Child("ignoreUriCase"), "has no effect on a regex; begin the regex with (?i)")
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetQueryParams())) {
		out.Query = append(out.Query, mesh.QueryMatch{Name: name, StringMatch: r.queryMatch(at.Child("queryParams").Key(name), m.GetQueryParams()[name])})
	}
	return out
}

// queryMatch reads the match of one parameter. An exact "" is the parameter
// without a value (Istio's rule); nothing at all asks that it is there.
func (r reader) queryMatch(at *field.Path, m *networkingv1alpha3.StringMatch) mesh.StringMatch {
	if exact, ok := m.GetMatchType().(*networkingv1alpha3.StringMatch_Exact); ok && exact.Exact == "" {
		return mesh.StringMatch{Kind: mesh.MatchExact}
	}
	if match := r.stringMatch(at, m); match != nil {
		return *match
	}
	return mesh.StringMatch{Kind: mesh.MatchPresent}
}

// stringMatch is nil where nothing is asked: an empty prefix or regex matches
// every value.
func (r reader) stringMatch(at *field.Path, m *networkingv1alpha3.StringMatch) *mesh.StringMatch {
	var out mesh.StringMatch
	switch match := m.GetMatchType().(type) {
	case *networkingv1alpha3.StringMatch_Exact:
		out = mesh.StringMatch{Kind: mesh.MatchExact, Value: match.Exact}
		r.suspectRegex(at.Child("exact"), match.Exact)
	case *networkingv1alpha3.StringMatch_Prefix:
		out = mesh.StringMatch{Kind: mesh.MatchPrefix, Value: match.Prefix}
		r.suspectRegex(at.Child("prefix"), match.Prefix)
	case *networkingv1alpha3.StringMatch_Regex:
		out = mesh.StringMatch{Kind: mesh.MatchRegex, Value: match.Regex}
		r.regex(at.Child("regex"), match.Regex)
	}
	if out.Value == "" {
		return nil
	}
	r.noControl(at, out.Value)
	return &out
}

// patternLike is how a regular expression looks that stands in another field.
var patternLike = regexp.MustCompile(`\.[*+]|^\^|\$$|\(\?|\[[^]]+\]`)

func (r reader) suspectRegex(at *field.Path, text string) {
	if patternLike.MatchString(text) {
		r.suspect(at, "%q is compared letter by letter, but looks like a regular expression; if it is one, write it as regex", text)
	}
}

// headers reads the matches sorted by name. An empty match asks only that the
// header is there (Istio's rule), and so does the regex "*", which many write.
func (r reader) headers(at *field.Path, matches map[string]*networkingv1alpha3.StringMatch) []mesh.HeaderMatch {
	var out []mesh.HeaderMatch
	for _, name := range slices.Sorted(maps.Keys(matches)) {
		here := at.Key(name)
		if !httpguts.ValidHeaderFieldName(strings.TrimPrefix(name, ":")) {
			r.refuse(here, "%q is not a header's name", name)
		}
		match := &mesh.StringMatch{Kind: mesh.MatchPresent}
		if matches[name].GetRegex() != "*" {
			if m := r.stringMatch(here, matches[name]); m != nil {
				match = m
			}
		}
		out = append(out, mesh.HeaderMatch{Name: strings.ToLower(name), StringMatch: *match})
	}
	// Lower case may have changed the order, or made two of one.
	slices.SortStableFunc(out, func(a, b mesh.HeaderMatch) int { return strings.Compare(a.Name, b.Name) })
	return out
}
