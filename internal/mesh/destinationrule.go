package mesh

import (
	"reflect"
	"time"
)

// DestinationRule says how the client calls a host. Its key is
// DestinationRule/namespace/name.
type DestinationRule struct {
	Meta
	// Host is a full name, or a wildcard.
	Host     string
	ExportTo []string
	Policy   TrafficPolicy
	// Subsets are in the user's order; names are unique.
	Subsets []Subset
	// WorkloadSelector limits the rule to clients with these labels.
	WorkloadSelector map[string]string
}

// Equal implements Value.
func (d *DestinationRule) Equal(o Value) bool { return reflect.DeepEqual(Value(d), o) }

// Subset is a named part of the host's endpoints.
type Subset struct {
	Name   string
	Labels map[string]string
	Policy TrafficPolicy
}

// TrafficPolicy is how a cluster behaves. A nil part means: as the wider one.
type TrafficPolicy struct {
	LoadBalancer *LoadBalancer
	Pool         *ConnectionPool
	Outlier      *OutlierDetection
	TLS          *ClientTLS
	// Ports override per service port number, as a whole (Istio's rule).
	Ports []PortPolicy
}

// PortPolicy is the policy of one service port.
type PortPolicy struct {
	Port   int32
	Policy TrafficPolicy
}

// Algorithm is how an endpoint is picked.
type Algorithm string

// The algorithms; "" is LeastRequest, as in Istio.
const (
	LeastRequest Algorithm = "LeastRequest"
	RoundRobin   Algorithm = "RoundRobin"
	Random       Algorithm = "Random"
	Passthrough  Algorithm = "Passthrough"
	RingHash     Algorithm = "RingHash"
	Maglev       Algorithm = "Maglev"
)

// LoadBalancer picks endpoints.
type LoadBalancer struct {
	Algorithm Algorithm
	// Hash is what RingHash and Maglev hash; nil otherwise.
	Hash *Hash
	// Warmup is the slow-start window; 0 none.
	Warmup time.Duration
}

// Hash is the input of consistent hashing: exactly one is set.
type Hash struct {
	Header         string
	Cookie         string
	CookiePath     string
	CookieTTL      *time.Duration
	SourceIP       bool
	QueryParameter string
	// RingSize and TableSize are 0 for Envoy's defaults.
	RingSize  uint64
	TableSize uint64
}

// ConnectionPool bounds what one proxy opens to the host. 0 is Istio's default,
// and so is a nil idle timeout; one of 0 is none.
type ConnectionPool struct {
	MaxConnections           int32
	ConnectTimeout           time.Duration
	TCPKeepaliveProbes       uint32
	TCPKeepaliveTime         time.Duration
	TCPKeepaliveInterval     time.Duration
	MaxConnectionDuration    time.Duration
	TCPIdleTimeout           *time.Duration
	HTTP1MaxPending          int32
	HTTP2MaxRequests         int32
	MaxRequestsPerConnection int32
	MaxRetries               int32
	HTTPIdleTimeout          *time.Duration
	// H2Upgrade is nil for "as the mesh says".
	H2Upgrade            *bool
	MaxConcurrentStreams int32
}

// OutlierDetection ejects endpoints that fail. nil counts are Istio's default.
type OutlierDetection struct {
	Consecutive5xx           *uint32
	ConsecutiveGatewayErrors *uint32
	ConsecutiveLocalOrigin   *uint32
	SplitLocalOrigin         bool
	Interval                 time.Duration
	BaseEjectionTime         time.Duration
	MaxEjectionPercent       int32
	MinHealthPercent         int32
}

// TLSMode is how the client secures the connection.
type TLSMode string

// The modes that are served.
const (
	TLSDisable TLSMode = "Disable"
	TLSMutual  TLSMode = "IstioMutual"
	TLSSimple  TLSMode = "Simple"
)

// ClientTLS is the client's side of TLS; nil in a policy means automatic mTLS.
type ClientTLS struct {
	Mode            TLSMode
	SNI             string
	SubjectAltNames []string
}
