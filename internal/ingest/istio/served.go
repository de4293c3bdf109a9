package istio

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// served is the set of leaf fields of one kind that have an effect, as dotted
// JSON names below spec without indices. What is set and not in here is named
// to the user.
type served struct{ leaves, inner map[string]bool }

func newServed(groups ...[]string) served {
	s := served{leaves: map[string]bool{}, inner: map[string]bool{}}
	for _, leaf := range slices.Concat(groups...) {
		s.leaves[leaf] = true
		for i, r := range leaf {
			if r == '.' {
				s.inner[leaf[:i]] = true
			}
		}
	}
	return s
}

// below puts a prefix before each leaf.
func below(prefix string, leaves ...string) []string {
	out := make([]string, len(leaves))
	for i, leaf := range leaves {
		out[i] = prefix + "." + leaf
	}
	return out
}

// stringMatches are the leaves of matches of text.
func stringMatches(names ...string) []string {
	var out []string
	for _, name := range names {
		out = append(out, below(name, "exact", "prefix", "regex")...)
	}
	return out
}

// headerLeaves are those of changes of headers.
var headerLeaves = []string{"request.set", "request.add", "request.remove", "response.set", "response.add", "response.remove"}

var servedVirtualService = newServed(
	[]string{"hosts", "gateways", "exportTo"},
	below("http", "name", "timeout"),
	below("http.match", "name", "port", "sourceLabels", "sourceNamespace", "gateways", "ignoreUriCase", "statPrefix"),
	below("http.match", stringMatches("uri", "scheme", "method", "authority", "headers", "withoutHeaders", "queryParams")...),
	below("http.route", "weight", "destination.host", "destination.subset", "destination.port.number"),
	below("http.route.headers", headerLeaves...),
	below("http.headers", headerLeaves...),
	below("http.redirect", "uri", "authority", "port", "derivePort", "scheme", "redirectCode", "prefixRewrite"),
	below("http.directResponse", "status", "body.string", "body.bytes"),
	below("http.rewrite", "uri", "authority", "uriRegexRewrite.match", "uriRegexRewrite.rewrite"),
	below("http.retries", "attempts", "perTryTimeout", "retryOn", "backoff", "retryRemoteLocalities", "retryIgnorePreviousHosts"),
	below("http", "mirrorPercent", "mirrorPercentage.value"),
	below("http.mirror", "host", "subset", "port.number"),
	below("http.mirrors", "percentage.value", "destination.host", "destination.subset", "destination.port.number"),
	below("http.fault.delay", "percent", "percentage.value", "fixedDelay"),
	below("http.fault.abort", "percentage.value", "httpStatus", "grpcStatus"),
	below("http.corsPolicy", stringMatches("allowOrigins")...),
	below("http.corsPolicy", "allowOrigin", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowCredentials", "unmatchedPreflights"),
)

// policyLeaves are those that a port's policy has too.
var policyLeaves = slices.Concat(
	below("loadBalancer", "simple", "warmupDurationSecs", "warmup.duration"),
	below("loadBalancer.consistentHash", "httpHeaderName", "useSourceIp", "httpQueryParameterName", "minimumRingSize",
		"httpCookie.name", "httpCookie.path", "httpCookie.ttl", "ringHash.minimumRingSize", "maglev.tableSize"),
	below("connectionPool.tcp", "maxConnections", "connectTimeout", "maxConnectionDuration", "idleTimeout",
		"tcpKeepalive.probes", "tcpKeepalive.time", "tcpKeepalive.interval"),
	below("connectionPool.http", "http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries",
		"idleTimeout", "h2UpgradePolicy", "maxConcurrentStreams"),
	below("outlierDetection", "splitExternalLocalOriginErrors", "consecutiveLocalOriginFailures", "consecutiveGatewayErrors",
		"consecutive5xxErrors", "interval", "baseEjectionTime", "maxEjectionPercent", "minHealthPercent"),
	below("tls", "mode", "subjectAltNames", "sni"),
)

func policyAt(prefix string) []string {
	return slices.Concat(
		below(prefix, policyLeaves...),
		below(prefix+".portLevelSettings", "port.number"),
		below(prefix+".portLevelSettings", policyLeaves...),
	)
}

var servedDestinationRule = newServed(
	[]string{"host", "exportTo", "workloadSelector.matchLabels", "subsets.name", "subsets.labels"},
	policyAt("trafficPolicy"),
	policyAt("subsets.trafficPolicy"),
)

var servedGateway = newServed(
	[]string{"selector"},
	below("servers", "name", "hosts", "port.number", "port.name", "port.protocol"),
	below("servers.tls", "mode", "httpsRedirect", "credentialName", "minProtocolVersion", "maxProtocolVersion"),
)

var servedSidecar = newServed(
	[]string{"workloadSelector.labels", "egress.hosts", "outboundTrafficPolicy.mode"},
)

var servedPeerAuthentication = newServed(
	[]string{"selector.matchLabels", "mtls.mode", "portLevelMtls.mode"},
)

// hints say more about fields that are not served, by full name of the message
// and field.
var hints = map[protoreflect.FullName]string{
	"istio.networking.v1alpha3.OutlierDetection.consecutive_errors":                     "Istio ignores it too: write consecutive5xxErrors or consecutiveGatewayErrors",
	"istio.networking.v1alpha3.HTTPRoute.delegate":                                      "requests that match are answered with 501",
	"istio.networking.v1alpha3.ClientTLSSettings.client_certificate":                    "the connection is made without a client certificate",
	"istio.networking.v1alpha3.ClientTLSSettings.credential_name":                       "the connection is made without a client certificate",
	"istio.networking.v1alpha3.ClientTLSSettings.insecure_skip_verify":                  "the server's certificate is verified",
	"istio.networking.v1alpha3.ServerTLSSettings.server_certificate":                    "put the certificate into a Secret and name it in credentialName",
	"istio.networking.v1alpha3.ServerTLSSettings.private_key":                           "put the key into a Secret and name it in credentialName",
	"istio.networking.v1alpha3.ServerTLSSettings.insecure_skip_verify":                  "client certificates are verified",
	"istio.networking.v1alpha3.ServerTLSSettings.credential_names":                      "name one Secret in credentialName",
	"istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings.use_client_protocol": "the port's declared protocol is spoken; set h2UpgradePolicy, or declare the port http2",
	"istio.networking.v1alpha3.Server.bind":                                             "the server listens on all addresses",
	"istio.networking.v1alpha3.LoadBalancerSettings.locality_lb_setting":                "the mesh's default for localities holds",
	"istio.networking.v1alpha3.ServerTLSSettings.subject_alt_names":                     "the server stays closed, so that it lets in no more than was meant",
	"istio.networking.v1alpha3.ServerTLSSettings.verify_certificate_hash":               "the server stays closed, so that it lets in no more than was meant",
	"istio.networking.v1alpha3.ServerTLSSettings.verify_certificate_spki":               "the server stays closed, so that it lets in no more than was meant",
	"istio.networking.v1alpha3.ServerTLSSettings.ca_cert_credential_name":               "the CA comes from the Secret of credentialName",
	"istio.networking.v1alpha3.LoadBalancerSettings.zone_aware_lb_setting":              "the mesh's default for localities holds",
	"istio.networking.v1alpha3.IstioEgressListener.port":                                "its hosts are reached at their own ports",
	"istio.networking.v1alpha3.IstioEgressListener.bind":                                "its hosts are reached at their own addresses",
	"istio.networking.v1alpha3.IstioEgressListener.capture_mode":                        "its hosts are reached at their own addresses",
	"istio.networking.v1alpha3.Sidecar.ingress":                                         "the ports of the pod's Services are served",
	"istio.networking.v1alpha3.Sidecar.inbound_connection_pool":                         "the number of connections is not bounded",
	"istio.networking.v1alpha3.OutboundTrafficPolicy.egress_proxy":                      "unknown destinations are reached directly",
}

// report names every field of m that is set and not in the table, at
// its exact path.
func (s served) report(p *problems, at *field.Path, m protoreflect.Message) {
	s.walk(p, at, "", m)
}

func (s served) walk(p *problems, at *field.Path, prefix string, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		name := strings.TrimPrefix(prefix+"."+fd.JSONName(), ".")
		child := at.Child(fd.JSONName())
		switch {
		case s.leaves[name]:
		case s.inner[name]:
			each(m.Get(fd), fd, child, func(at *field.Path, m protoreflect.Message) { s.walk(p, at, name, m) })
		default:
			message := fmt.Sprintf("%s is not served by this version", fd.JSONName())
			if hint := hints[fd.FullName()]; hint != "" {
				message += ": " + hint
			}
			p.unserved(child, "%s", message)
		}
	}
}

// each visits the messages in a field: one, or those of a list or map.
func each(v protoreflect.Value, fd protoreflect.FieldDescriptor, at *field.Path, visit func(*field.Path, protoreflect.Message)) {
	switch {
	case fd.IsMap():
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			visit(at.Key(k.String()), v.Message())
			return true
		})
	case fd.IsList():
		for i := range v.List().Len() {
			visit(at.Index(i), v.List().Get(i).Message())
		}
	default:
		visit(at, v.Message())
	}
}
