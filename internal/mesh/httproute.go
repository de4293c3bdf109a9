package mesh

import "time"

// Headers are the changes to a request on its way, and to its answer.
type Headers struct {
	// Authority replaces the request's host; "" leaves it.
	Authority         string
	Request, Response HeaderChanges
}

// HeaderChanges are made in the order set, add, remove. Set and Add are sorted
// by name, and each names a header once. Values may have Envoy's operators, as
// %REQ(x-a)%, which were checked.
type HeaderChanges struct {
	Set, Add []HeaderValue
	Remove   []string
}

// HeaderValue is a header with a value.
type HeaderValue struct{ Name, Value string }

// Mirror sends a copy of a request, whose answer nobody waits for.
type Mirror struct {
	Destination
	// Percent of the requests, up to 100.
	Percent float64
	// Field is where the destination stands in the rule, for Problems.
	Field string
}

// Fault is made by the client's proxy before the request is sent. Both may be.
type Fault struct {
	Delay *Delay
	Abort *Abort
}

// Delay holds a share of the requests.
type Delay struct {
	Percent float64
	Fixed   time.Duration
}

// Abort answers a share of the requests by a status, of HTTP or of gRPC.
type Abort struct {
	Percent    float64
	HTTPStatus uint32
	// GRPCStatus counts if HTTPStatus is 0.
	GRPCStatus uint32
}

// CORS says which other origins' pages may send a request.
type CORS struct {
	Origins                []StringMatch
	Methods, Headers       []string
	ExposeHeaders          []string
	MaxAge                 time.Duration
	Credentials            *bool
	KeepUnmatchedPreflight bool
}

// QueryMatch matches one parameter of the query.
type QueryMatch struct {
	Name string
	StringMatch
}
