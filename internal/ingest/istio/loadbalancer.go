package istio

import (
	"math/big"

	"golang.org/x/net/http/httpguts"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Envoy's own bounds (RingHashLbConfig, MaglevLbConfig).
const (
	maxRingSize  = 8 << 20
	maxTableSize = 5000011
)

func (r reader) loadBalancer(at *field.Path, m *networkingv1alpha3.LoadBalancerSettings) *mesh.LoadBalancer {
	if m == nil {
		return nil
	}
	out := &mesh.LoadBalancer{Warmup: r.duration(at.Child("warmupDurationSecs"), m.GetWarmupDurationSecs())}
	if m.GetWarmup() != nil {
		if m.GetWarmupDurationSecs() != nil {
			r.refuse(at.Child("warmupDurationSecs"), "stands beside warmup; keep warmup")
		}
		if m.GetWarmup().GetDuration() == nil {
			r.refuse(at.Child("warmup", "duration"), "is required")
		}
		out.Warmup = r.duration(at.Child("warmup", "duration"), m.GetWarmup().GetDuration())
	}
	switch m.GetSimple() {
	case networkingv1alpha3.LoadBalancerSettings_LEAST_CONN, networkingv1alpha3.LoadBalancerSettings_LEAST_REQUEST: //nolint:staticcheck // users still write it
		out.Algorithm = mesh.LeastRequest
	case networkingv1alpha3.LoadBalancerSettings_RANDOM:
		out.Algorithm = mesh.Random
	case networkingv1alpha3.LoadBalancerSettings_PASSTHROUGH:
		out.Algorithm = mesh.Passthrough
	case networkingv1alpha3.LoadBalancerSettings_ROUND_ROBIN:
		out.Algorithm = mesh.RoundRobin
	}
	if hash := m.GetConsistentHash(); hash != nil {
		out.Hash = r.hash(at.Child("consistentHash"), hash)
		out.Algorithm = mesh.RingHash
		if hash.GetMaglev() != nil {
			out.Algorithm = mesh.Maglev
		}
	}
	if out.Warmup > 0 && out.Algorithm != mesh.RoundRobin && out.Algorithm != mesh.LeastRequest && out.Algorithm != "" {
		r.suspect(at, "warm-up has an effect with ROUND_ROBIN and LEAST_REQUEST only; choose one of them or remove it")
	}
	return out
}

func (r reader) hash(at *field.Path, m *networkingv1alpha3.LoadBalancerSettings_ConsistentHashLB) *mesh.Hash {
	out := &mesh.Hash{
		Header:         m.GetHttpHeaderName(),
		SourceIP:       m.GetUseSourceIp(),
		QueryParameter: m.GetHttpQueryParameterName(),
		RingSize:       m.GetMinimumRingSize(), //nolint:staticcheck // users still write it
		TableSize:      m.GetMaglev().GetTableSize(),
	}
	if ring := m.GetRingHash(); ring != nil {
		out.RingSize = ring.GetMinimumRingSize()
	}
	if cookie := m.GetHttpCookie(); cookie != nil {
		out.Cookie, out.CookiePath = cookie.GetName(), cookie.GetPath()
		if out.Cookie == "" {
			r.refuse(at.Child("httpCookie", "name"), "is required")
		}
		// 0s is a session cookie.
		out.CookieTTL = r.optionalTimeout(at.Child("httpCookie", "ttl"), cookie.GetTtl())
		r.noControl(at.Child("httpCookie", "path"), out.CookiePath)
	}
	if out.Header == "" && out.Cookie == "" && !out.SourceIP && out.QueryParameter == "" {
		r.refuse(at, "has nothing to hash; set httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName")
	}
	if out.Header != "" && !httpguts.ValidHeaderFieldName(out.Header) {
		r.refuse(at.Child("httpHeaderName"), "%q is not a header's name", out.Header)
	}
	if out.RingSize > maxRingSize {
		r.refuse(at, "the ring has at least %d entries; stay below %d", out.RingSize, maxRingSize)
	}
	if size := out.TableSize; size != 0 && (size > maxTableSize || !new(big.Int).SetUint64(size).ProbablyPrime(0)) {
		r.refuse(at.Child("maglev", "tableSize"), "%d is not a prime number up to %d; leave it out for 65537", size, maxTableSize)
	}
	return out
}
