package mesh

import (
	"reflect"
	"time"
)

// MeshGateway is the reserved gateway name that means every sidecar.
const MeshGateway = "mesh"

// VirtualService says how requests to hosts are routed by the client. Its key
// is VirtualService/namespace/name.
type VirtualService struct {
	Meta
	// Hosts are full names in lower case; a short name was expanded in the
	// object's namespace. "*" and "*.suffix" are kept.
	Hosts []string
	// Gateways are namespace/name of Gateways, or MeshGateway. Never empty.
	Gateways []string
	ExportTo []string
	HTTP     []HTTPRoute
}

// Equal implements Value.
func (v *VirtualService) Equal(o Value) bool { return reflect.DeepEqual(Value(v), o) }

// HTTPRoute is one rule; the first whose match holds is taken.
type HTTPRoute struct {
	// Index is the place in the user's list, for Problems.
	Index int
	Name  string
	// Matches are alternatives; none matches every request.
	Matches []HTTPMatch
	// Exactly one of Destinations, Redirect and DirectStatus is set.
	Destinations []Destination
	Redirect     *Redirect
	// DirectStatus answers with this status. It is 501 where the
	// user's action is not served yet: what the route would have caught must
	// not fall through to the next.
	DirectStatus uint32
	// DirectBody is that of the answer.
	DirectBody string
	Rewrite    *Rewrite
	// Timeout of the whole request; 0 means none (Istio's default).
	Timeout time.Duration
	// Retries is nil for Istio's default policy.
	Retries *Retries
	Headers Headers
	Mirrors []Mirror
	Fault   *Fault
	CORS    *CORS
}

// Targets are the hosts that requests or copies of them are sent to.
func (r *HTTPRoute) Targets() []string {
	var out []string
	for i := range r.Destinations {
		out = append(out, r.Destinations[i].Host)
	}
	for i := range r.Mirrors {
		out = append(out, r.Mirrors[i].Host)
	}
	return out
}

// HTTPMatch holds if all that is set holds.
type HTTPMatch struct {
	Name   string
	URI    *StringMatch
	Method *StringMatch
	// Authority and Scheme match the pseudo headers.
	Authority *StringMatch
	Scheme    *StringMatch
	// Headers and WithoutHeaders are sorted by name.
	Headers        []HeaderMatch
	WithoutHeaders []HeaderMatch
	// Query is sorted by name.
	Query []QueryMatch
	// Gateways limits the match to these; nil means the VirtualService's.
	Gateways      []string
	IgnoreURICase bool
	// Port is the port of the request's host; 0 any.
	Port int32
	// SourceNamespace and SourceLabels are asked of the client's proxy.
	SourceNamespace string
	SourceLabels    map[string]string
	// StatPrefix names the proxy's statistics of this match, "" for none.
	StatPrefix string
}

// StringMatch is one of exact, prefix and regex (RE2, whole value).
type StringMatch struct {
	Kind  StringMatchKind
	Value string
}

// StringMatchKind says how Value is compared.
type StringMatchKind string

// The ways to compare; Present needs only that the value exists.
const (
	MatchExact   StringMatchKind = "exact"
	MatchPrefix  StringMatchKind = "prefix"
	MatchRegex   StringMatchKind = "regex"
	MatchPresent StringMatchKind = "present"
)

// HeaderMatch matches one header.
type HeaderMatch struct {
	Name string
	StringMatch
}

// Destination is a weighted target. Weights of a route are as the user wrote
// them; their sum is above 0, or there is one destination.
type Destination struct {
	// Host is a full name, Subset one of its DestinationRule's or "".
	Host   string
	Subset string
	// Port is 0 where the service has one port, or the request's port is kept.
	Port   int32
	Weight uint32
	// Headers are changed for this destination, after the route's.
	Headers Headers
}

// Redirect answers the request with another address.
type Redirect struct {
	URI       string
	Authority string
	Port      int32
	Scheme    string
	// Code is 301, 302, 303, 307 or 308.
	Code int32
	// PrefixRewrite takes the place of the prefix that matched, where set; URI is
	// "" then, and each match of the route is a prefix.
	PrefixRewrite string
	// KeepPort redirects to the port of the request.
	KeepPort bool
}

// Rewrite changes the request before it is sent.
type Rewrite struct {
	URI       string
	Authority string
	// URIRegex and URISubstitution rewrite by regex where set.
	URIRegex        string
	URISubstitution string
}

// Retries is a retry policy.
type Retries struct {
	Attempts      int32
	PerTryTimeout time.Duration
	// On is Envoy's retry_on list, "" for Istio's default.
	On string
	// StatusCodes are the numeric members of the user's retryOn.
	StatusCodes []uint32
	// Backoff is the least time between attempts; 0 for Envoy's default.
	Backoff time.Duration
	// SameHosts lets a retry go to an endpoint that was tried.
	SameHosts bool
	// OtherLocalities makes retries go to localities that were not tried.
	OtherLocalities bool
}
