package istio

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group names of the API.
const (
	NetworkingGroup = "networking.istio.io"
	SecurityGroup   = "security.istio.io"
	TelemetryGroup  = "telemetry.istio.io"
	ExtensionsGroup = "extensions.istio.io"
)

// Kind is one kind of Istio's API that may exist in a cluster.
type Kind struct {
	schema.GroupKind
	// Resource is its plural in lower case.
	Resource string
	// Served is false for a kind whose objects have no effect yet.
	Served bool
	// Consequence says what it means that the kind is not served.
	Consequence string
}

// Versions are the versions of every kind in the order we would read them. They
// are one schema under different names, so the first that is served will do.
var Versions = []string{"v1", "v1beta1", "v1alpha3", "v1alpha1"}

// Kinds are all kinds of Istio's API, served or not.
//
// Safety: an AuthorizationPolicy or RequestAuthentication that exists and has no
// effect is a door that looks shut. We do not refuse to run beside one, because
// clusters that move over hold them already and one team's policy must not stop
// everybody's mesh. We do not emulate half of one either: a DENY rule of which
// one condition is ignored denies the wrong requests. So each such object is
// named by a log line at error level at every start, by check, and with words
// that say that nothing enforces it.
var Kinds = []Kind{
	{networking("VirtualService"), "virtualservices", true, ""},
	{networking("DestinationRule"), "destinationrules", true, ""},
	{networking("Gateway"), "gateways", true, ""},
	{networking("Sidecar"), "sidecars", true, ""},
	{security("PeerAuthentication"), "peerauthentications", true, ""},

	{security("AuthorizationPolicy"), "authorizationpolicies", false, "NOT ENFORCED: requests that it denies are let through. Keep them out by other means, as a NetworkPolicy or the application's own checks"},
	{security("RequestAuthentication"), "requestauthentications", false, "NOT ENFORCED: requests with a forged or expired token are let through. Check tokens in the application"},
	{networking("ServiceEntry"), "serviceentries", false, "its hosts are unknown to the mesh; they are reached as any address outside, if outbound traffic is allowed"},
	{networking("EnvoyFilter"), "envoyfilters", false, "its patches are not applied"},
	{networking("WorkloadEntry"), "workloadentries", false, "it gets no traffic"},
	{networking("WorkloadGroup"), "workloadgroups", false, "it has no effect"},
	{networking("ProxyConfig"), "proxyconfigs", false, "proxies keep the mesh's settings"},
	{schema.GroupKind{Group: TelemetryGroup, Kind: "Telemetry"}, "telemetries", false, "telemetry is as the mesh's defaults say"},
	{schema.GroupKind{Group: ExtensionsGroup, Kind: "TrafficExtension"}, "trafficextensions", false, "the extension is not loaded; if it guards something, that is not guarded"},
	{schema.GroupKind{Group: ExtensionsGroup, Kind: "WasmPlugin"}, "wasmplugins", false, "the plugin is not loaded; if it guards something, that is not guarded"},
}

func networking(kind string) schema.GroupKind {
	return schema.GroupKind{Group: NetworkingGroup, Kind: kind}
}

func security(kind string) schema.GroupKind {
	return schema.GroupKind{Group: SecurityGroup, Kind: kind}
}

// Guards reports whether objects of a kind that is not served would keep
// requests out if it were.
func Guards(kind string) bool {
	return kind == "AuthorizationPolicy" || kind == "RequestAuthentication"
}

// KindOf finds a kind by group and kind; ok is false for what is not Istio's.
func KindOf(gk schema.GroupKind) (kind Kind, ok bool) {
	for _, k := range Kinds {
		if k.GroupKind == gk {
			return k, true
		}
	}
	return Kind{}, false
}
