package convert

// section is a table of rules with the place where it is used.
type section struct {
	title, about string
	// at is what the targets of workloads are below.
	at    string
	rules []rule
}

// sections are all tables, for the docs and for tests.
var sections = []section{
	{"IstioOperator", "`install.istio.io/v1alpha1`, below `spec`. `spec.meshConfig` and `spec.values` are in the tables below; `spec.unvalidatedValues` is read as `spec.values`.", "", operatorRules},
	{"IstioOperator: components", "Below `spec.components`. In the table `k8s`, and in the entries of `ingressGateways` and `egressGateways`, as further down.", "", componentRules},
	{"IstioOperator: k8s", "Below `k8s` of `pilot` and of a gateway.", "the component's ", k8sRules},
	{"IstioOperator: gateways", "Below an entry of `spec.components.ingressGateways` or `egressGateways`.", "", gatewayRules},
	{"Istio of the Sail operator", "`sailoperator.io/v1` and `v1alpha1`, below `spec`.", "", sailRules},
	{"Values: meshConfig", "Below `meshConfig`.", "", meshConfigRules},
	{"Values: global", "Below `global`.", "", globalRules},
	{"Values: pilot", "Below `pilot`, and at the top of the values of newer charts.", "", discoveryRules},
	{"Values: gateways of old charts", "Below `gateways.istio-ingressgateway` and `gateways.istio-egressgateway`, in an IstioOperator.", "", gatewayValueRules},
	{"Values: the rest", "At the top.", "", otherRules},
	{"Values of the chart gateway", "Given with `--gateway NAMESPACE/RELEASE=FILE`.", "", releaseRules},
}
