package istio

import "strings"

var exampleVirtualServices = []string{`
hosts: [back]
gateways: [edge]
exportTo: ["."]
http:
- name: first
  timeout: 1s
  match:
  - name: a
    port: 80
    sourceLabels: {a: b}
    sourceNamespace: shop
    gateways: [edge]
    ignoreUriCase: true
    uri: {exact: /a}
    scheme: {exact: http}
    method: {exact: GET}
    authority: {exact: a}
    headers: {a: {exact: b}}
    withoutHeaders: {a: {exact: b}}
  - uri: {prefix: /a}
    scheme: {prefix: http}
    method: {prefix: GET}
    authority: {prefix: a}
    headers: {a: {prefix: b}}
    withoutHeaders: {a: {prefix: b}}
  - uri: {regex: /a}
    scheme: {regex: http}
    method: {regex: GET}
    authority: {regex: a}
    headers: {a: {regex: b}}
    withoutHeaders: {a: {regex: b}}
  retries: {attempts: 1, perTryTimeout: 1s, retryOn: 5xx}
  rewrite: {uri: /b, authority: b}
  route:
  - destination: {host: back, subset: v1, port: {number: 80}}
    weight: 1
- rewrite: {uriRegexRewrite: {match: a, rewrite: b}}
  route:
  - destination: {host: back}
`, `
hosts: [back]
http:
- match: [{uri: {exact: /}}]
  redirect: {uri: /a, authority: a, port: 80, scheme: https, redirectCode: 302}
- directResponse: {status: 404, body: {string: a}}
`, `
hosts: [back]
http:
- match:
  - {uri: {prefix: /a}, statPrefix: a, queryParams: {a: {exact: b}}}
  - {uri: {prefix: /b}, queryParams: {a: {prefix: b}}}
  - {uri: {prefix: /c}, queryParams: {a: {regex: b}}}
  headers: {request: {set: {a: b}, add: {c: d}, remove: [e]}, response: {set: {a: b}, add: {c: d}, remove: [e]}}
  retries: {attempts: 1, backoff: 1s, retryRemoteLocalities: true, retryIgnorePreviousHosts: false}
  fault: {delay: {percentage: {value: 1}, fixedDelay: 1s}, abort: {percentage: {value: 1}, httpStatus: 500}}
  corsPolicy:
    allowOrigins: [{exact: a}, {prefix: a}, {regex: a}]
    allowOrigin: [b]
    allowMethods: [GET]
    allowHeaders: [a]
    exposeHeaders: [a]
    maxAge: 1s
    allowCredentials: true
    unmatchedPreflights: IGNORE
  mirror: {host: a, subset: a, port: {number: 80}}
  mirrorPercentage: {value: 1}
  route:
  - destination: {host: back}
    headers: {request: {set: {a: b}, add: {c: d}, remove: [e]}, response: {set: {a: b}, add: {c: d}, remove: [e]}}
- match: [{uri: {prefix: /d}}]
  fault: {delay: {percent: 1, fixedDelay: 1s}, abort: {percentage: {value: 1}, grpcStatus: ABORTED}}
  mirror: {host: a}
  mirrorPercent: 1
  route: [{destination: {host: back}}]
- match: [{uri: {prefix: /e}}]
  mirrors: [{destination: {host: a, subset: a, port: {number: 80}}, percentage: {value: 1}}]
  route: [{destination: {host: back}}]
- match: [{uri: {prefix: /f}}]
  redirect: {prefixRewrite: /g, derivePort: FROM_REQUEST_PORT}
- directResponse: {status: 404, body: {bytes: YQ==}}
`}

var exampleGateways = []string{`
selector: {a: b}
servers:
- name: a
  hosts: [a]
  port: {number: 443, name: https, protocol: HTTPS}
  tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3}
- hosts: [a]
  port: {number: 80, name: http, protocol: HTTP}
  tls: {httpsRedirect: true}
`}

var exampleSidecars = []string{`
workloadSelector: {labels: {a: b}}
egress: [{hosts: ["./*"]}]
outboundTrafficPolicy: {mode: ALLOW_ANY}
`}

var examplePeerAuthentications = []string{`
selector: {matchLabels: {a: b}}
mtls: {mode: STRICT}
portLevelMtls: {"80": {mode: DISABLE}}
`}

// examplePolicies are traffic policies, to stand at each place that has one.
var examplePolicies = []string{`
loadBalancer: {simple: RANDOM, warmupDurationSecs: 1s}
connectionPool:
  tcp: {maxConnections: 1, connectTimeout: 1s, maxConnectionDuration: 1s, idleTimeout: 1s,
    tcpKeepalive: {probes: 1, time: 1s, interval: 1s}}
  http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1,
    idleTimeout: 1s, h2UpgradePolicy: DO_NOT_UPGRADE, maxConcurrentStreams: 1}
outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1, consecutiveGatewayErrors: 1,
  consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 1, minHealthPercent: 1}
tls: {mode: SIMPLE, subjectAltNames: [a], sni: a}
`, `
loadBalancer: {warmup: {duration: 1s}, consistentHash: {httpHeaderName: a, minimumRingSize: 1}}
`, `
loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 1}}}
`, `
loadBalancer: {consistentHash: {httpQueryParameterName: a, maglev: {tableSize: 3}}}
`, `
loadBalancer: {consistentHash: {httpCookie: {name: a, path: /, ttl: 1s}}}
`}

func exampleDestinationRules() []string {
	out := []string{`
host: back
exportTo: ["."]
workloadSelector: {matchLabels: {a: b}}
subsets: [{name: a, labels: {a: b}}]
`}
	for _, policy := range examplePolicies {
		deep := indent(policy, 2)
		deeper := indent("- port: {number: 80}"+strings.ReplaceAll(strings.TrimRight(policy, "\n"), "\n", "\n  "), 4)
		out = append(out,
			"host: back\ntrafficPolicy:"+deep+"\n  portLevelSettings:\n"+deeper,
			"host: back\nsubsets:\n- name: a\n  labels: {a: b}\n  trafficPolicy:"+indent(deep, 2)+"\n    portLevelSettings:\n"+indent(deeper, 2))
	}
	return out
}

func indent(text string, by int) string {
	space := strings.Repeat(" ", by)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = space + line
		}
	}
	return strings.Join(lines, "\n")
}
