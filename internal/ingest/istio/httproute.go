package istio

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// httpRoute reads one route.
func (r reader) httpRoute(at *field.Path, m *networkingv1alpha3.HTTPRoute) mesh.HTTPRoute {
	out := mesh.HTTPRoute{
		Name:    m.GetName(),
		Timeout: r.timeout(at.Child("timeout"), m.GetTimeout()),
		Retries: r.retries(at.Child("retries"), m.GetRetries()),
		Rewrite: r.rewrite(at.Child("rewrite"), m.GetRewrite()),
		Headers: r.headerOperations(at.Child("headers"), m.GetHeaders()),
		Mirrors: r.mirrors(at, m),
		Fault:   r.fault(at.Child("fault"), m.GetFault()),
		CORS:    r.cors(at.Child("corsPolicy"), m.GetCorsPolicy()),
	}
	r.oneAction(at, m)
	out.Redirect = r.redirect(at.Child("redirect"), m.GetRedirect())
	r.prefixRedirect(at, m)
	out.Destinations = r.destinations(at.Child("route"), m.GetRoute())
	switch {
	case m.GetDirectResponse() != nil:
		out.DirectStatus, out.DirectBody = r.directResponse(at.Child("directResponse"), m.GetDirectResponse())
	case m.GetDelegate() != nil:
		// Not served.
		out.DirectStatus = http.StatusNotImplemented
	}
	for i, match := range m.GetMatch() {
		out.Matches = append(out.Matches, r.httpMatch(at.Child("match").Index(i), match))
	}
	return out
}

// oneAction refuses what says two things at once, or nothing.
func (r reader) oneAction(at *field.Path, m *networkingv1alpha3.HTTPRoute) {
	var set []string
	for name, is := range map[string]bool{
		"route": len(m.GetRoute()) > 0, "redirect": m.GetRedirect() != nil,
		"directResponse": m.GetDirectResponse() != nil, "delegate": m.GetDelegate() != nil,
	} {
		if is {
			set = append(set, name)
		}
	}
	slices.Sort(set)
	switch {
	case len(set) == 0:
		r.refuse(at, "does nothing: add one of route, redirect and directResponse")
	case len(set) > 1:
		r.refuse(at, "has %s: keep one of them", strings.Join(set, " and "))
	case set[0] != "route" && m.GetRewrite() != nil:
		r.refuse(at.Child("rewrite"), "has no effect beside %s: remove one of them", set[0])
	case set[0] != "route" && m.GetFault() != nil:
		r.refuse(at.Child("fault"), "has no effect beside %s: remove one of them", set[0])
	}
}

func (r reader) destinations(at *field.Path, list []*networkingv1alpha3.HTTPRouteDestination) []mesh.Destination {
	var out []mesh.Destination
	sum := int64(0)
	for i, m := range list {
		here := at.Index(i)
		if m.GetDestination() == nil {
			r.refuse(here.Child("destination"), "is required; name the host")
			continue
		}
		value := r.destination(here.Child("destination"), m.GetDestination())
		value.Weight = uint32(max(0, r.notNegative(here.Child("weight"), m.GetWeight())))
		value.Headers = r.headerOperations(here.Child("headers"), m.GetHeaders())
		sum += int64(value.Weight)
		out = append(out, value)
	}
	switch {
	case len(out) > 1 && sum == 0:
		r.refuse(at, "all weights are 0; give at least one destination a weight")
	case sum > math.MaxUint32:
		r.refuse(at, "the weights add up to %d; stay below %d", sum, uint32(math.MaxUint32))
	}
	r.suspectOverlap(at, out)
	return out
}

// suspectOverlap warns where a share goes to a whole host and another to a
// subset of it: the first contains the endpoints of the second.
func (r reader) suspectOverlap(at *field.Path, list []mesh.Destination) {
	for i, whole := range list {
		for _, part := range list {
			if whole.Host == part.Host && whole.Subset == "" && part.Subset != "" && whole.Weight > 0 && part.Weight > 0 {
				r.suspect(at.Index(i).Child("destination"), "%s without a subset contains the endpoints of subset %s too, "+
					"so that subset gets more than its share; give this destination a subset of its own", whole.Host, part.Subset)
				return
			}
		}
	}
}

func (r reader) redirect(at *field.Path, m *networkingv1alpha3.HTTPRedirect) *mesh.Redirect {
	if m == nil {
		return nil
	}
	out := &mesh.Redirect{
		URI: m.GetUri(), Authority: m.GetAuthority(), Scheme: m.GetScheme(), Code: int32(m.GetRedirectCode()),
		PrefixRewrite: m.GetPrefixRewrite(),
	}
	if by, ok := m.GetRedirectPort().(*networkingv1alpha3.HTTPRedirect_DerivePort); ok {
		// The other is what Envoy does.
		out.KeepPort = by.DerivePort == networkingv1alpha3.HTTPRedirect_FROM_REQUEST_PORT
	}
	if out.URI == "" && out.Authority == "" && out.Scheme == "" && m.GetPort() == 0 && m.GetPrefixRewrite() == "" {
		r.refuse(at, "redirects to the same address; set uri, authority, scheme or port")
	}
	if out.Scheme != "" && out.Scheme != "http" && out.Scheme != "https" {
		r.refuse(at.Child("scheme"), "%q is neither http nor https", out.Scheme)
	}
	if m.GetPort() != 0 {
		out.Port = r.port(at.Child("port"), m.GetPort())
	}
	switch out.Code {
	case 0:
		out.Code = http.StatusMovedPermanently
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		r.refuse(at.Child("redirectCode"), "%d cannot be answered; write 301, 302, 303, 307 or 308", out.Code)
	}
	r.noControl(at.Child("uri"), out.URI)
	r.noControl(at.Child("prefixRewrite"), out.PrefixRewrite)
	r.noControl(at.Child("authority"), out.Authority)
	return out
}

// prefixRedirect refuses a prefix to rewrite where none has matched.
func (r reader) prefixRedirect(at *field.Path, m *networkingv1alpha3.HTTPRoute) {
	if m.GetRedirect().GetPrefixRewrite() == "" {
		return
	}
	here := at.Child("redirect", "prefixRewrite")
	if m.GetRedirect().GetUri() != "" {
		r.refuse(here, "stands beside uri; keep one of them")
	}
	for i, match := range m.GetMatch() {
		if match.GetUri().GetPrefix() == "" && match.GetUri() != nil {
			r.refuse(here, "replaces the prefix that matched, but match[%d].uri is no prefix; write uri: {prefix: …} there, or set redirect.uri", i)
		}
	}
}

// bodyLimit is how much text a proxy answers with by itself.
const bodyLimit = 1 << 20

func (r reader) directResponse(at *field.Path, m *networkingv1alpha3.HTTPDirectResponse) (status uint32, body string) {
	status = m.GetStatus()
	if status < 200 || status > 599 {
		r.refuse(at.Child("status"), "%d is not a final HTTP status; write one from 200 to 599", status)
	}
	body = m.GetBody().GetString_()
	if raw := m.GetBody().GetBytes(); raw != nil {
		body = string(raw)
	}
	if len(body) > bodyLimit {
		r.refuse(at.Child("body"), "is longer than %d bytes; let a service answer", bodyLimit)
	}
	return status, body
}

func (r reader) rewrite(at *field.Path, m *networkingv1alpha3.HTTPRewrite) *mesh.Rewrite {
	if m == nil {
		return nil
	}
	regex := m.GetUriRegexRewrite()
	out := &mesh.Rewrite{URI: m.GetUri(), Authority: m.GetAuthority(), URIRegex: regex.GetMatch(), URISubstitution: regex.GetRewrite()}
	if out.URI == "" && out.Authority == "" && regex == nil {
		r.refuse(at, "rewrites nothing; set uri, authority or uriRegexRewrite")
	}
	if out.URI != "" && regex != nil {
		r.refuse(at.Child("uriRegexRewrite"), "stands beside uri; keep one of them")
	}
	if regex != nil {
		here := at.Child("uriRegexRewrite")
		if out.URIRegex == "" || out.URISubstitution == "" {
			r.refuse(here, "needs both match and rewrite")
		}
		r.regex(here.Child("match"), out.URIRegex)
		r.substitution(here.Child("rewrite"), out.URIRegex, out.URISubstitution)
	}
	r.noControl(at.Child("uri"), out.URI)
	r.noControl(at.Child("authority"), out.Authority)
	return out
}

// noControl refuses what Envoy takes for no header value.
func (r reader) noControl(at *field.Path, text string) {
	if strings.ContainsAny(text, "\x00\r\n") {
		r.refuse(at, "holds a line break or a zero; remove it")
	}
}

// retryWords are Envoy's conditions, of HTTP and gRPC.
var retryWords = []string{
	"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
	"refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
	"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
}

const retriableStatusCodes = "retriable-status-codes"

func (r reader) retries(at *field.Path, m *networkingv1alpha3.HTTPRetry) *mesh.Retries {
	if m == nil {
		return nil
	}
	out := &mesh.Retries{
		Attempts:      r.notNegative(at.Child("attempts"), m.GetAttempts()),
		PerTryTimeout: r.timeout(at.Child("perTryTimeout"), m.GetPerTryTimeout()),
		Backoff:       r.timeout(at.Child("backoff"), m.GetBackoff()),
		// Istio's default is other hosts.
		SameHosts:       m.GetRetryIgnorePreviousHosts() != nil && !m.GetRetryIgnorePreviousHosts().GetValue(),
		OtherLocalities: m.GetRetryRemoteLocalities().GetValue(),
	}
	if out.Attempts == 0 && (m.GetRetryOn() != "" || m.GetPerTryTimeout() != nil) {
		r.refuse(at.Child("attempts"), "is 0 while other fields of retries are set; write how often to retry")
	}
	var words []string
	for word := range strings.SplitSeq(m.GetRetryOn(), ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		code, err := strconv.ParseUint(word, 10, 32)
		switch {
		case word == "":
		case err == nil && code >= 100 && code <= 599:
			out.StatusCodes = append(out.StatusCodes, uint32(code))
		case slices.Contains(retryWords, word):
			words = append(words, word)
		default:
			r.refuse(at.Child("retryOn"), "%q is neither a status code nor one of %s", word, strings.Join(retryWords, ", "))
		}
	}
	if len(out.StatusCodes) > 0 && !slices.Contains(words, retriableStatusCodes) {
		words = append(words, retriableStatusCodes)
	}
	out.On = strings.Join(words, ",")
	return out
}
