package convert

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// scope takes Istio's list of selectors, of which one that matches is enough; the
// MeshInstall has one selector.
func (c *conversion) scope(f field) error {
	list, err := f.list()
	if err != nil || len(list) == 0 {
		return err
	}
	if len(list) > 1 {
		c.note(f, "write spec.scope.namespaceSelector, one selector for all of them")
		return nil
	}
	raw, err := json.Marshal(list[0].value)
	if err != nil {
		return fmt.Errorf("read %s: %w", list[0].path, err)
	}
	selector := &metav1.LabelSelector{}
	if err := yaml.UnmarshalStrict(raw, selector); err != nil {
		return list[0].wrong("a label selector")
	}
	c.spec.Scope = &v1alpha1.Scope{NamespaceSelector: selector}
	return nil
}

// meshConfigRules are about Istio's MeshConfig.
var meshConfigRules = slices.Concat([]rule{
	{"trustDomain", "spec.meshConfig.trustDomain", "", func(c *conversion, f field) error {
		text, err := f.text()
		c.meshConfig().TrustDomain = &text
		return err
	}},
	{"outboundTrafficPolicy.mode", "spec.meshConfig.outboundTrafficPolicy", "", func(c *conversion, f field) error {
		modes := map[string]v1alpha1.OutboundTrafficPolicy{"ALLOW_ANY": v1alpha1.OutboundAllowAny, "REGISTRY_ONLY": v1alpha1.OutboundRegistryOnly}
		text, err := f.text()
		if err != nil {
			return err
		}
		mode, ok := modes[text]
		if !ok {
			return f.wrong("ALLOW_ANY or REGISTRY_ONLY")
		}
		c.meshConfig().OutboundTrafficPolicy = &mode
		return nil
	}},
	{"defaultConfig.concurrency", "spec.values.proxy.concurrency", "", func(c *conversion, f field) error {
		n, err := f.number()
		if err != nil {
			return err
		}
		return c.value(n, "proxy", "concurrency")
	}},
	{"rootNamespace", "", "objects for the whole mesh are read from spec.namespace (mesh-system): copy those of this namespace there", nil},
	always("enableAutoMtls", true, "mutual TLS is automatic; for a host without it write a DestinationRule with tls.mode DISABLE"),
	always("enablePrometheusMerge", true, "set the annotation prometheus.istio.io/merge-metrics: \"false\" on pods"),
	always("defaultConfig.holdApplicationUntilProxyStarts", true, "an application always starts after its proxy: the sidecar is a native one"),
	always("accessLogFile", "", "access logs are not written yet"),
	{"defaultConfig.discoveryAddress", "", "leave it out: it follows from spec.namespace", nil},
	{"discoverySelectors", "spec.scope.namespaceSelector", "one selector, which limits injection too; of several make one", (*conversion).scope},
	{"trustDomainAliases", "", "aliases are not served: workloads of other trust domains are not known", nil},
	{"defaultConfig.proxyMetadata", "", "proxies take no metadata from users", nil},
	{"defaultConfig.terminationDrainDuration", "", "leave it out: a pod's grace period is the one deadline (docs/guides/restarts.md)", nil},
	{"defaultConfig.*", "", "proxies are set by spec.values.proxy, and by annotations of pods; the rest is not served", nil},
},
	none("access logs are not written yet", "accessLogFormat", "accessLogEncoding", "enableEnvoyAccessLogService", "disableEnvoyListenerLog"),
	none("tracing is not served yet", "enableTracing"),
	none("extensions are not served yet", "extensionProviders", "defaultProviders"),
	none("write it in a DestinationRule, where it is served", "localityLbSetting", "connectTimeout", "tcpKeepalive", "h2UpgradePolicy"),
	none("write retries in VirtualServices", "defaultHttpRetryPolicy"),
	none("write exportTo in the objects, or leave it out: the default is all namespaces", "defaultServiceExportTo", "defaultVirtualServiceExportTo", "defaultDestinationRuleExportTo"),
	none("the Ingress kind is not served; write a Gateway and a VirtualService", "ingressControllerMode", "ingressClass", "ingressService", "ingressSelector"),
	none("leave it out: it is not served, and most meshes do not need it", "pathNormalization", "dnsRefreshRate", "protocolDetectionTimeout", "proxyListenPort", "proxyInboundListenPort", "proxyHttpPort",
		"meshMTLS", "tlsDefaults", "serviceSettings", "verifyCertificateAtClient", "caCertificates", "certificates", "ca", "configSources", "serviceScopeConfigs",
		"inboundClusterStatName", "outboundClusterStatName", "inboundTrafficPolicy", "hboneConnectTimeout", "hboneMaxConnectionAge", "mixerCheckServer", "mixerReportServer"),
)
