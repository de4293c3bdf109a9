package istio

import (
	"golang.org/x/net/http/httpguts"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (r reader) cors(at *field.Path, m *networkingv1alpha3.CorsPolicy) *mesh.CORS {
	if m == nil {
		return nil
	}
	out := &mesh.CORS{
		Methods: m.GetAllowMethods(), Headers: m.GetAllowHeaders(), ExposeHeaders: m.GetExposeHeaders(),
		MaxAge:                 r.timeout(at.Child("maxAge"), m.GetMaxAge()),
		KeepUnmatchedPreflight: m.GetUnmatchedPreflights() == networkingv1alpha3.CorsPolicy_IGNORE,
	}
	if m.GetAllowCredentials() != nil {
		allow := m.GetAllowCredentials().GetValue()
		out.Credentials = &allow
	}
	for i, origin := range m.GetAllowOrigins() {
		if match := r.stringMatch(at.Child("allowOrigins").Index(i), origin); match != nil {
			out.Origins = append(out.Origins, *match)
		}
	}
	for _, origin := range m.GetAllowOrigin() { //nolint:staticcheck // people have it
		out.Origins = append(out.Origins, mesh.StringMatch{Kind: mesh.MatchExact, Value: origin})
	}
	if len(out.Origins) == 0 {
		r.suspect(at, "allows no origin: add some to allowOrigins")
	}
	for _, list := range []struct {
		name  string
		words []string
	}{{"allowMethods", out.Methods}, {"allowHeaders", out.Headers}, {"exposeHeaders", out.ExposeHeaders}} {
		for i, word := range list.words {
			if word != "*" && !httpguts.ValidHeaderFieldName(word) {
				r.refuse(at.Child(list.name).Index(i), "%q is not a name of HTTP's", word)
			}
		}
	}
	return out
}
