package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/envoy"
)

const httpOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// setTraffic writes a traffic policy into a cluster.
func setTraffic(c *clusterv3.Cluster, t target) {
	pool := t.traffic.Pool
	c.CircuitBreakers = circuitBreakers(pool)
	c.OutlierDetection = outlierDetection(t)
	if t.kind == clusterv3.Cluster_EDS {
		c.CommonLbConfig = panicThreshold(t.traffic.Outlier)
	}
	if pool != nil {
		if pool.ConnectTimeout > 0 {
			c.ConnectTimeout = envoy.Duration(pool.ConnectTimeout)
		}
		c.UpstreamConnectionOptions = keepalive(pool)
	}
	var hash *mesh.Hash
	if t.kind == clusterv3.Cluster_ORIGINAL_DST {
		c.LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED
	} else {
		hash = setLoadBalancer(c, t.traffic.LoadBalancer)
	}
	setHTTP(c, httpOptions(t.port.Protocol, pool, hash))
}

// setLoadBalancer returns what is hashed, if it is.
func setLoadBalancer(c *clusterv3.Cluster, lb *mesh.LoadBalancer) *mesh.Hash {
	if lb == nil {
		lb = &mesh.LoadBalancer{}
	}
	var slow *clusterv3.Cluster_SlowStartConfig
	if lb.Warmup > 0 {
		slow = &clusterv3.Cluster_SlowStartConfig{
			SlowStartWindow:  envoy.Duration(lb.Warmup),
			MinWeightPercent: &typev3.Percent{Value: 10},
		}
	}
	switch lb.Algorithm {
	case mesh.RoundRobin:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
		if slow != nil {
			c.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
		}
	case mesh.Random:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	case mesh.RingHash:
		c.LbPolicy = clusterv3.Cluster_RING_HASH
		if lb.Hash != nil && lb.Hash.RingSize > 0 {
			c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
				MinimumRingSize: wrapperspb.UInt64(lb.Hash.RingSize),
			}}
		}
		return lb.Hash
	case mesh.Maglev:
		c.LbPolicy = clusterv3.Cluster_MAGLEV
		if lb.Hash != nil && lb.Hash.TableSize > 0 {
			c.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{
				TableSize: wrapperspb.UInt64(lb.Hash.TableSize),
			}}
		}
		return lb.Hash
	default:
		c.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
		if slow != nil {
			c.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}}
		}
	}
	return nil
}

// circuitBreakers are the bounds of a pool; Istio's default is none.
func circuitBreakers(pool *mesh.ConnectionPool) *clusterv3.CircuitBreakers {
	if pool == nil {
		pool = &mesh.ConnectionPool{}
	}
	bound := func(n int32) *wrapperspb.UInt32Value {
		if n > 0 {
			return envoy.UInt32(uint32(n))
		}
		return envoy.UInt32(unlimited)
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     bound(pool.MaxConnections),
		MaxPendingRequests: bound(pool.HTTP1MaxPending),
		MaxRequests:        bound(pool.HTTP2MaxRequests),
		MaxRetries:         bound(pool.MaxRetries),
		TrackRemaining:     true,
	}}}
}

func keepalive(pool *mesh.ConnectionPool) *clusterv3.UpstreamConnectionOptions {
	if pool.TCPKeepaliveProbes == 0 && pool.TCPKeepaliveTime == 0 && pool.TCPKeepaliveInterval == 0 {
		return nil
	}
	k := &corev3.TcpKeepalive{}
	if n := pool.TCPKeepaliveProbes; n > 0 {
		k.KeepaliveProbes = envoy.UInt32(n)
	}
	if d := pool.TCPKeepaliveTime; d > 0 {
		k.KeepaliveTime = envoy.UInt32(seconds(d))
	}
	if d := pool.TCPKeepaliveInterval; d > 0 {
		k.KeepaliveInterval = envoy.UInt32(seconds(d))
	}
	return &clusterv3.UpstreamConnectionOptions{TcpKeepalive: k}
}

// seconds rounds up: the kernel's options know whole seconds, and not 0.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// outlierDetection is what the user asked for, else only unreachable endpoints
// are left out. Without endpoints of its own a cluster has nothing to choose from.
func outlierDetection(t target) *clusterv3.OutlierDetection {
	o := t.traffic.Outlier
	if o == nil {
		if t.kind != clusterv3.Cluster_EDS {
			return nil
		}
		return unreachableOnly()
	}
	out := &clusterv3.OutlierDetection{
		EnforcingSuccessRate:           envoy.UInt32(0),
		SplitExternalLocalOriginErrors: o.SplitLocalOrigin,
	}
	if n := o.Consecutive5xx; n != nil {
		out.Consecutive_5Xx = envoy.UInt32(*n)
		out.EnforcingConsecutive_5Xx = envoy.UInt32(enforce(*n))
	}
	if n := o.ConsecutiveGatewayErrors; n != nil {
		out.ConsecutiveGatewayFailure = envoy.UInt32(*n)
		out.EnforcingConsecutiveGatewayFailure = envoy.UInt32(enforce(*n))
	}
	if n := o.ConsecutiveLocalOrigin; n != nil && o.SplitLocalOrigin {
		out.ConsecutiveLocalOriginFailure = envoy.UInt32(*n)
		out.EnforcingConsecutiveLocalOriginFailure = envoy.UInt32(enforce(*n))
	}
	if o.Interval > 0 {
		out.Interval = envoy.Duration(o.Interval)
	}
	if o.BaseEjectionTime > 0 {
		out.BaseEjectionTime = envoy.Duration(o.BaseEjectionTime)
	}
	if o.MaxEjectionPercent > 0 {
		out.MaxEjectionPercent = envoy.UInt32(uint32(o.MaxEjectionPercent))
	}
	return out
}

// How endpoints that cannot be connected to are left out where no rule says
// anything. A pod that is gone does not answer at all, and while discovery is
// away nobody says that it is gone: each request to it would wait for the
// network's own time-out.
const (
	// unreachableAfter is how many connections in a row fail.
	unreachableAfter = 2
	// unreachableFor is how long it is left out, times how often it was.
	unreachableFor = 10 * time.Second
	// unreachableShare bounds the endpoints left out; the only one never is.
	unreachableShare = 50
)

// unreachableOnly ejects by connections that could not be made, never by what
// an application answered.
func unreachableOnly() *clusterv3.OutlierDetection {
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:         true,
		ConsecutiveLocalOriginFailure:          envoy.UInt32(unreachableAfter),
		EnforcingConsecutiveLocalOriginFailure: envoy.UInt32(100),
		EnforcingLocalOriginSuccessRate:        envoy.UInt32(0),
		EnforcingConsecutive_5Xx:               envoy.UInt32(0),
		EnforcingSuccessRate:                   envoy.UInt32(0),
		BaseEjectionTime:                       envoy.Duration(unreachableFor),
		MaxEjectionPercent:                     envoy.UInt32(unreachableShare),
	}
}

// panicThreshold is below which share of healthy endpoints, in whole percent,
// Envoy uses all of them: where a rule ejects, the user's, or 0; else 1, which
// is when none is left. Then one that could not be reached a moment ago is better
// than none. At Envoy's own 50 % a rollout would send requests to the pods that
// are leaving.
func panicThreshold(o *mesh.OutlierDetection) *clusterv3.Cluster_CommonLbConfig {
	percent := &typev3.Percent{Value: 1}
	if o != nil {
		percent.Value = float64(o.MinHealthPercent)
	}
	return &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: percent}
}

// enforce: a count of 0 switches the check off.
func enforce(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	return 100
}

// speaksHTTP2 reports whether the hop is HTTP/2 whatever the client speaks.
func speaksHTTP2(p mesh.Protocol, pool *mesh.ConnectionPool) bool {
	if p == mesh.ProtocolHTTP2 {
		return true
	}
	return p == mesh.ProtocolHTTP && pool != nil && pool.H2Upgrade != nil && *pool.H2Upgrade
}

// httpOptions says which HTTP the hop speaks; nil is HTTP/1.1 with Envoy's
// defaults.
func httpOptions(p mesh.Protocol, pool *mesh.ConnectionPool, hash *mesh.Hash) *upstreamhttpv3.HttpProtocolOptions {
	if pool == nil {
		pool = &mesh.ConnectionPool{}
	}
	out := &upstreamhttpv3.HttpProtocolOptions{CommonHttpProtocolOptions: commonHTTP(pool), HashPolicy: hashPolicy(hash)}
	h2 := &corev3.Http2ProtocolOptions{}
	if pool.MaxConcurrentStreams > 0 {
		h2.MaxConcurrentStreams = envoy.UInt32(uint32(pool.MaxConcurrentStreams))
	}
	switch {
	case p == mesh.ProtocolAuto:
		out.UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
			UseDownstreamProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
				HttpProtocolOptions: &corev3.Http1ProtocolOptions{}, Http2ProtocolOptions: h2,
			},
		}
	case speaksHTTP2(p, pool):
		out.UpstreamProtocolOptions = explicitHTTP(&upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: h2},
		})
	case p == mesh.ProtocolHTTP && (out.CommonHttpProtocolOptions != nil || out.HashPolicy != nil):
		out.UpstreamProtocolOptions = explicitHTTP(&upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
		})
	default:
		return nil
	}
	return out
}

func explicitHTTP(c *upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig) *upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_ {
	return &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: c}
}

func commonHTTP(pool *mesh.ConnectionPool) *corev3.HttpProtocolOptions {
	if pool.HTTPIdleTimeout == nil && pool.MaxRequestsPerConnection == 0 && pool.MaxConnectionDuration == 0 {
		return nil
	}
	out := &corev3.HttpProtocolOptions{}
	if d := pool.HTTPIdleTimeout; d != nil {
		out.IdleTimeout = envoy.Duration(*d)
	}
	if d := pool.MaxConnectionDuration; d > 0 {
		out.MaxConnectionDuration = envoy.Duration(d)
	}
	if n := pool.MaxRequestsPerConnection; n > 0 {
		out.MaxRequestsPerConnection = envoy.UInt32(uint32(n))
	}
	return out
}

// hashPolicy stands in the cluster, not in its routes: a changed rule then
// leaves them alone.
func hashPolicy(h *mesh.Hash) []*routev3.RouteAction_HashPolicy {
	if h == nil {
		return nil
	}
	out := &routev3.RouteAction_HashPolicy{}
	switch {
	case h.Header != "":
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: h.Header}}
	case h.Cookie != "":
		cookie := &routev3.RouteAction_HashPolicy_Cookie{Name: h.Cookie, Path: h.CookiePath}
		if h.CookieTTL != nil {
			cookie.Ttl = envoy.Duration(*h.CookieTTL)
		}
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: cookie}
	case h.QueryParameter != "":
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_QueryParameter_{QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: h.QueryParameter}}
	case h.SourceIP:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_ConnectionProperties_{ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true}}
	default:
		return nil
	}
	return []*routev3.RouteAction_HashPolicy{out}
}

func setHTTP(c *clusterv3.Cluster, o *upstreamhttpv3.HttpProtocolOptions) {
	if o != nil {
		c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptionsKey: envoy.Any(o)}
	}
}
