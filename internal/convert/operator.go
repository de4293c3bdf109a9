package convert

import (
	"slices"
	"strings"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// operatorRules are about the spec of an IstioOperator, but for what is below
// values, meshConfig and components.
var operatorRules = slices.Concat([]rule{
	{"profile", "spec.profile", "minimal, default and demo; empty is minimal, any other default", setProfile},
	{"revision", "", otherRules[0].says, nil},
	{"meshConfig", "", "", func(c *conversion, f field) error { return c.walk(meshConfigRules, f) }},
	{"values", "", "", nothing}, {"unvalidatedValues", "", "", nothing}, {"components", "", "", nothing},
},
	none(imagesInstead, "hub", "tag"),
	none("leave it out: charts are part of the operator", "installPackagePath"),
	none("the mesh has a namespace of its own, spec.namespace (mesh-system)", "namespace"),
	none("leave it out: addons are installed by themselves", "addonComponents"),
	none("leave it out", "compatibilityVersion", "resourceSuffix"),
)

// nothing is for what is looked at elsewhere.
func nothing(*conversion, field) error { return nil }

// componentRules are about spec.components, but for gateways.
var componentRules = slices.Concat([]rule{
	always("base.enabled", true, "custom resources are applied by yourself: make istio-crds prints Istio's"),
	always("pilot.enabled", true, "discovery is always there"),
	{"pilot.k8s", "", "", func(c *conversion, f field) error { return c.walk(k8sRules, f) }},
	always("cni.enabled", false, cniInstead), {"cni.*", "", cniInstead, nil},
	always("ztunnel.enabled", false, ambient), {"ztunnel.*", "", ambient, nil},
	always("istiodRemote.enabled", false, clusters), {"istiodRemote.*", "", clusters, nil},
	{"ingressGateways", "", "", nothing}, {"egressGateways", "", "", nothing},
	{"base.*", "", "custom resources are applied by yourself: make istio-crds prints Istio's", nil},
	{"pilot.*", "", imagesInstead, nil},
})

// k8sRules are about the table k8s of a component.
var k8sRules = slices.Concat([]rule{
	{"replicaCount", "replicas", "where nothing scales", setCount(count)},
	{"hpaSpec.minReplicas", "replicas.min", "", setCount(least)},
	{"hpaSpec.maxReplicas", "replicas.max", "", setCount(most)},
	{"hpaSpec.*", "", "components scale by CPU at a target of their own", nil},
	{"resources", "resources", "", setResources},
	{"priorityClassName", byPatch, "", merged(pod, "priorityClassName")},
	{"service.type", "service.type", "", setType},
	{"service.ports", "service.ports", "without the status port, which is always there", setPorts},
	{"service.loadBalancerIP", byPatch, "", merged(service, "loadBalancerIP")},
	{"service.loadBalancerClass", byPatch, "", merged(service, "loadBalancerClass")},
	{"service.loadBalancerSourceRanges", byPatch, "", merged(service, "loadBalancerSourceRanges")},
	{"service.externalTrafficPolicy", byPatch, "", merged(service, "externalTrafficPolicy")},
	{"service.*", "", "write it as a patch in spec.patches, against the objects that meshwright render prints", nil},
	{"serviceAnnotations", byPatch, "", merged(serviceMetadata, "annotations")},
	{"overlays", "", "write them as spec.patches, against the objects that meshwright render prints", nil},
	{"podDisruptionBudget", "", "the profile production has budgets; without it write your own", nil},
	{"imagePullPolicy", "", "write spec.values.imagePullPolicy", nil},
},
	slices.DeleteFunc(podRules(), func(r rule) bool { return r.path == "serviceAnnotations" }),
)

// setProfile takes the profiles of which there is one of the same name.
func setProfile(c *conversion, f field) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	switch text {
	case "", "default":
	case "minimal", "demo":
		c.spec.Profile = v1alpha1.Profile(text)
	case "empty":
		c.spec.Profile = v1alpha1.ProfileMinimal
	default:
		c.note(f, "there is no such profile; default was taken. See docs/reference/profiles.md")
	}
	return nil
}

// istioOperator converts one and returns its name.
func (c *conversion) istioOperator(object map[string]any) (string, error) {
	root := field{"", object}
	spec := root.below("spec")
	if spec.value == nil {
		spec.value = map[string]any{}
	}
	c.spec.Profile = v1alpha1.ProfileDefault
	if err := c.walk(operatorRules, spec); err != nil {
		return "", err
	}
	values := []field{spec.below("values"), spec.below("unvalidatedValues")}
	c.at = &workload{}
	discovery := c.at
	for _, v := range values {
		if err := c.chartValues(v); err != nil {
			return "", err
		}
	}
	components := spec.below("components")
	c.at = discovery
	if err := c.walk(componentRules, components); err != nil {
		return "", err
	}
	if err := c.discovery(discovery); err != nil {
		return "", err
	}
	for _, kind := range []v1alpha1.GatewayKind{v1alpha1.GatewayIngress, v1alpha1.GatewayEgress} {
		if err := c.operatorGateways(components, values, kind); err != nil {
			return "", err
		}
	}
	name, _ := root.below("metadata").below("name").value.(string)
	return name, nil
}

// operatorGateways converts the gateways of one direction: those that are
// listed, and that which old values are about.
func (c *conversion) operatorGateways(components field, values []field, kind v1alpha1.GatewayKind) error {
	direction := strings.ToLower(string(kind))
	known := "istio-" + direction + "gateway"
	list := components.below(direction + "Gateways")
	var items []field
	if list.value != nil {
		var err error
		if items, err = list.list(); err != nil {
			return err
		}
	}
	listed := slices.ContainsFunc(items, func(f field) bool { return f.below("name").value == known })
	for _, v := range values {
		for key := range gatewaysOf(v) {
			if kind == v1alpha1.GatewayIngress && key != "istio-ingressgateway" && key != "istio-egressgateway" {
				c.note(v.below(tableGateways).below(key), "list the gateway in spec.components.gateways")
			}
		}
		old := v.below(tableGateways).below(known)
		if table, ok := old.value.(map[string]any); ok && !listed && len(table) > 0 {
			items = append(items, field{old.path, map[string]any{"name": known, "enabled": old.below("enabled").value}})
			listed = true
		}
	}
	for _, item := range items {
		if err := c.operatorGateway(item, values, kind); err != nil {
			return err
		}
	}
	return nil
}

// gatewaysOf is the table gateways of the values.
func gatewaysOf(values field) map[string]any {
	table, _ := values.below(tableGateways).value.(map[string]any)
	return table
}

// gatewayRules are about an entry of ingressGateways or egressGateways.
var gatewayRules = []rule{
	{"enabled", "spec.components.gateways[].enabled", "", nothing},
	{"name", "spec.components.gateways[].name", "by the label istio of its pods", nothing},
	{"namespace", "spec.components.gateways[].namespace", "mesh-ingress or mesh-egress in the place of istio-system", nothing},
	{"label.istio", "spec.components.gateways[].name", "the name is the label without `gateway` at its end", nothing},
	{"label.app", "", "", nothing},
	{"label.*", "", "pods have the labels istio and app of their gateway's name", nil},
	{"k8s", "", "", func(c *conversion, f field) error { return c.walk(k8sRules, f) }},
	{"hub", "", imagesInstead, nil}, {"tag", "", imagesInstead, nil},
}

func (c *conversion) operatorGateway(item field, values []field, kind v1alpha1.GatewayKind) error {
	if _, ok := item.value.(map[string]any); !ok {
		return item.wrong("a table")
	}
	name, err := item.below("name").text()
	if err != nil {
		return err
	}
	direction := strings.ToLower(string(kind))
	known := name == "istio-"+direction+"gateway"
	has := c.spec.Profile == v1alpha1.ProfileDemo || c.spec.Profile == v1alpha1.ProfileDefault && kind == v1alpha1.GatewayIngress
	own := v1alpha1.Gateway{Name: direction, Namespace: "mesh-" + direction, Enabled: new(bool)}
	enabled := known && has
	if e := item.below("enabled"); e.value != nil {
		if enabled, err = e.flag(); err != nil {
			return err
		}
	}
	namespace, _ := item.below("namespace").value.(string)
	if known && has && (!enabled || !slices.Contains([]string{"", "istio-system", own.Namespace}, namespace)) {
		c.components().Gateways = append(c.components().Gateways, own)
	}
	if !enabled {
		return nil
	}
	c.at = &workload{}
	for _, v := range values {
		if old := v.below(tableGateways).below(name); known && old.value != nil {
			if err := c.walk(gatewayValueRules, old); err != nil {
				return err
			}
		}
	}
	if err := c.walk(gatewayRules, item); err != nil {
		return err
	}
	label, ok := item.below("label").below("istio").value.(string)
	if !ok {
		label = direction + "gateway"
	}
	return c.gateway(item, namespace, label, kind, c.at)
}
