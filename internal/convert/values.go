package convert

import (
	"slices"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// setText is a rule's end that puts a text into a value of the chart.
func setText(path ...string) func(*conversion, field) error {
	return func(c *conversion, f field) error {
		text, err := f.text()
		if err != nil || text == "" {
			return err
		}
		return c.value(text, path...)
	}
}

// isStrict is true for what old versions had in the place of a PeerAuthentication.
func isStrict(c *conversion, f field) error {
	strict, err := f.flag()
	if strict {
		mode := v1alpha1.MTLSStrict
		c.meshConfig().MTLS = &mode
	}
	return err
}

func pullSecrets(c *conversion, f field) error {
	items, err := f.list()
	if err != nil {
		return err
	}
	for _, item := range items {
		name, err := item.text()
		if err != nil {
			// Some write them as Kubernetes does.
			if name, err = item.below("name").text(); err != nil {
				return item.wrong("the name of a Secret")
			}
		}
		c.images().PullSecrets = append(c.images().PullSecrets, name)
	}
	return nil
}

const (
	imagesInstead = "leave it out: the image follows from spec.version; for another registry write spec.images.registry"
	cniInstead    = "an init container writes the rules of capture, which needs NET_ADMIN in the pods' namespaces; there is no CNI plugin"
	ambient       = "ambient mode is not served: pods have sidecars"
	clusters      = "one mesh is in one cluster; several clusters are not served"
	telemetry     = "telemetry by configuration is not served; proxies have Envoy's own metrics at port 15090, merged with the application's at 15020"
)

// globalRules are about the values global of Istio's charts.
var globalRules = slices.Concat([]rule{
	{"imagePullPolicy", "spec.values.imagePullPolicy", "", setText("imagePullPolicy")},
	{"imagePullSecrets", "spec.images.pullSecrets", "injected pods use their own", pullSecrets},
	{"priorityClassName", "spec.values.priorityClassName", "", setText("priorityClassName")},
	{"proxy.logLevel", "spec.values.proxy.logLevel", "", setText("proxy", "logLevel")},
	{"proxy.resources", "spec.values.proxy.resources", "", proxyResources},
	{"proxy.clusterDomain", "spec.values.clusterDomain", "", setText("clusterDomain")},
	{"multiCluster.clusterName", "spec.values.clusterID", "", setText("clusterID")},
	{"mtls.enabled", "spec.meshConfig.mtls", "`true` is Strict", isStrict},
	always("mtls.auto", true, "mutual TLS is automatic; for a host without it write a DestinationRule with tls.mode DISABLE"),
	always("multiCluster.enabled", false, clusters),
	always("pilotCertProvider", "istiod", "the mesh has its own authority"),
	always("jwtPolicy", "third-party-jwt", "tokens have the audience istio-ca"),
	always("proxy.autoInject", "enabled", "label namespaces and pods that are not to be injected"),
	always("proxy.includeIPRanges", "*", "write the annotation traffic.sidecar.istio.io/includeOutboundIPRanges on pods"),
	always("proxy.excludeIPRanges", "", "write the annotation traffic.sidecar.istio.io/excludeOutboundIPRanges on pods"),
	always("proxy.includeInboundPorts", "*", "write the annotation traffic.sidecar.istio.io/includeInboundPorts on pods"),
	always("proxy.excludeInboundPorts", "", "write the annotation traffic.sidecar.istio.io/excludeInboundPorts on pods"),
	always("proxy.excludeOutboundPorts", "", "write the annotation traffic.sidecar.istio.io/excludeOutboundPorts on pods"),
	always("proxy.privileged", false, "proxies have no privileges"),
	always("configValidation", false, "there is no validating webhook; meshwright check -f says in a pipeline what is wrong, and a condition on the object says it later"),
	{"istioNamespace", "", "the mesh has a namespace of its own (spec.namespace, mesh-system) beside Istio's: copy objects that are for the whole mesh there", nil},
	{"defaultPodDisruptionBudget", "", "the profile production has budgets; without it write your own", nil},
	{"logging", "", "leave it out: logs are in JSON, and have no levels by scope", nil},
	{"proxy.*", "", "leave it out: the sidecar's container is not shaped by values; annotations of pods are in docs/reference/istio-api.md", nil},
},
	none(imagesInstead, "hub", "tag", "variant"),
	none("leave it out: the init container is not shaped by values", "proxy_init"),
	none(clusters, "meshID", "network", "multiCluster.globalDomainSuffix", "multiCluster.includeEnvoyFilter", "meshNetworks", "meshExpansion"),
	none("the control plane is in the cluster that it serves", "externalIstiod", "remotePilotAddress", "configCluster", "istioRemote"),
	none("the mesh has its own authority", "caAddress", "caName", "certSigners", "pkiProviders", "certificates", "mountMtlsCerts", "sds", "sts", "trustBundleName"),
	none("leave it out", "logAsJson", "omitSidecarInjectorConfigMap", "operatorManageWebhooks", "useMCP", "istiod", "oneNamespace", "enabled", "platform", "nativeNftables",
		"networkPolicy", "resourceScope", "tracer", "waypoint", "ipFamilies", "ipFamilyPolicy", "autoscalingv2API", "arch", "defaultResources", "defaultNodeSelector", "defaultTolerations", "agentgateway"),
)

// discoveryRules are about the values pilot of Istio's charts.
var discoveryRules = slices.Concat([]rule{
	{"replicaCount", "spec.components.discovery.replicas", "where nothing scales", setCount(count)},
	{"autoscaleEnabled", "spec.components.discovery.replicas", "", setScaled},
	{"autoscaleMin", "spec.components.discovery.replicas.min", "", setCount(least)},
	{"autoscaleMax", "spec.components.discovery.replicas.max", "", setCount(most)},
	{"resources", "spec.components.discovery.resources", "", setResources},
	always("enabled", true, "discovery is always there"),
	always("cni.enabled", false, cniInstead),
	always("env.PILOT_ENABLE_STATUS", "true", "conditions are always written"),
	{"env.*", "", "discovery has no such variables", nil},
	{"cni.*", "", cniInstead, nil},
},
	slices.DeleteFunc(podRules(), func(r rule) bool { return r.path == "env" }),
	none(imagesInstead, "hub", "tag", "variant", "image"),
	none("tracing is not served yet", "traceSampling"),
	none("discovery scales by CPU at a target of its own", "cpu", "memory", "autoscaleBehavior"),
	none("leave it out", "configMap", "configSource", "configNamespace", "enableProtocolSniffingForOutbound", "enableProtocolSniffingForInbound", "jwksResolverExtraRootCA", "plugins",
		"keepaliveMaxServerConnectionAge", "serviceAccountAnnotations", "trustedZtunnelNamespace", "trustedZtunnelName", "taint", "podDisruptionBudget", "istiodRemote", "crlConfigMapName", "gatewayClasses"),
)

// gatewayValueRules are about a gateway in the values of old charts.
var gatewayValueRules = slices.Concat([]rule{
	{"autoscaleEnabled", "spec.components.gateways[].replicas", "", setScaled},
	{"autoscaleMin", "spec.components.gateways[].replicas.min", "", setCount(least)},
	{"autoscaleMax", "spec.components.gateways[].replicas.max", "", setCount(most)},
	{"replicaCount", "spec.components.gateways[].replicas", "where nothing scales", setCount(count)},
	{"resources", "spec.components.gateways[].resources", "", setResources},
	{"type", "spec.components.gateways[].service.type", "", setType},
	{"ports", "spec.components.gateways[].service.ports", "without the status port, which is always there", setPorts},
	{"serviceAnnotations", byPatch, "", merged(serviceMetadata, "annotations")},
	{"loadBalancerIP", byPatch, "", merged(service, "loadBalancerIP")},
	{"loadBalancerSourceRanges", byPatch, "", merged(service, "loadBalancerSourceRanges")},
	{"externalTrafficPolicy", byPatch, "", merged(service, "externalTrafficPolicy")},
	{"enabled", "spec.components.gateways[].enabled", "", func(*conversion, field) error { return nil }},
	{"name", "spec.components.gateways[].name", "by the label istio of its pods", func(*conversion, field) error { return nil }},
	{"namespace", "spec.components.gateways[].namespace", "mesh-ingress or mesh-egress in the place of istio-system", func(*conversion, field) error { return nil }},
	{"labels.istio", "spec.components.gateways[].name", "", func(*conversion, field) error { return nil }},
	{"labels.*", "", "pods have the labels istio and app of their gateway's name", nil},
},
	slices.DeleteFunc(podRules(), func(r rule) bool { return r.path == "labels" || r.path == "serviceAnnotations" }),
	none("gateways scale by CPU at a target of their own", "cpu", "memory"),
	none("write it as a patch in spec.patches, against the objects that meshwright render prints", "secretVolumes", "configVolumes", "externalIPs", "additionalPorts", "meshExpansionPorts", "customService", "ingressPorts", "zvpn", "runAsRoot", "injectionTemplate", "loadBalancerClass"),
)

// otherRules are about the rest of the values.
var otherRules = slices.Concat([]rule{
	{"revision", "", "revisions are named for what is in them; namespaces choose a mesh by spec.tags (docs/guides/from-istio.md)", nil},
	{"revisionTags", "", "write spec.tags, with names that Istio does not answer to while it is there", nil},
	{"defaultRevision", "", "while Istio is there, give the mesh a tag of its own: spec.tags (docs/guides/from-istio.md)", nil},
	always("sidecarInjectorWebhook.rewriteAppHTTPProbe", true, "set the annotation sidecar.istio.io/rewriteAppHTTPProbers: \"false\" on pods"),
	always("sidecarInjectorWebhook.enableNamespacesByDefault", false, "label the namespaces istio-injection: enabled"),
	{"sidecarInjectorWebhook.*", "", "the injector is not shaped by values (docs/injection.md)", nil},
	always("istio_cni.enabled", false, cniInstead), always("cni.enabled", false, cniInstead),
	{"istio_cni.*", "", cniInstead, nil}, {"cni.*", "", cniInstead, nil},
	always("telemetry.enabled", false, telemetry), {"telemetry.*", "", telemetry, nil},
	{"base", "", "custom resources are applied by yourself: make istio-crds prints Istio's", nil},
	always("gateways.istio-ingressgateway.injectionTemplate", "", "gateways are Deployments of the operator's"),
},
	none(ambient, "ztunnel", "ambient"),
	none("the control plane is in the cluster that it serves", "istiodRemote"),
	none("leave it out: addons are installed by themselves", "kiali", "prometheus", "grafana", "tracing", "jaeger"),
	none("leave it out", "ownerName", "compatibilityVersion", "experimental", "platform", "profile", "_internal_defaults_do_not_set", "gatewayClasses", "mixer", "galley", "security", "nodeagent", "istiocoredns", "certmanager", "version",
		"defaultRevisionValidation", "gateways.securityContext", "gateways.seccompProfile"),
)
