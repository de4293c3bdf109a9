package convert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// tables of the values of Istio's charts that have rules of their own.
const (
	tableGlobal     = "global"
	tablePilot      = "pilot"
	tableMeshConfig = "meshConfig"
	tableGateways   = "gateways"
)

// chartValues converts values that base and istiod have in common with
// IstioOperator and Sail. The workload at hand is discovery.
func (c *conversion) chartValues(values field) error {
	if values.value == nil {
		return nil
	}
	table, ok := values.value.(map[string]any)
	if !ok {
		return values.wrong("a table")
	}
	rest := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		var err error
		switch f := values.below(key); {
		case key == tableGlobal:
			err = c.walk(globalRules, f)
		case key == tablePilot:
			err = c.walk(discoveryRules, f)
		case key == tableMeshConfig:
			err = c.walk(meshConfigRules, f)
		case key == tableGateways: // an IstioOperator's are looked at with its gateways
		case ruleOf(otherRules, key) == nil && flattened(key):
			// New charts have the values of pilot at the top.
			err = c.walk(discoveryRules, field{values.path, map[string]any{key: table[key]}})
		default:
			rest[key] = table[key]
		}
		if err != nil {
			return err
		}
	}
	return c.walk(otherRules, field{values.path, rest})
}

// flattened reports whether a key at the top of the values is one of pilot's.
func flattened(key string) bool {
	return slices.ContainsFunc(discoveryRules, func(r rule) bool { return r.path == key || strings.HasPrefix(r.path, key+".") })
}

// sailRules are about the spec of a Sail Istio, but for values.
var sailRules = []rule{
	{"updateStrategy.type", "spec.update.strategy", "InPlace is InPlace, RevisionBased is Canary", func(c *conversion, f field) error {
		strategies := map[string]v1alpha1.UpdateStrategy{"InPlace": v1alpha1.UpdateInPlace, "RevisionBased": v1alpha1.UpdateCanary}
		text, err := f.text()
		if err != nil {
			return err
		}
		strategy, ok := strategies[text]
		if !ok {
			return f.wrong("InPlace or RevisionBased")
		}
		c.update().Strategy = &strategy
		return nil
	}},
	{"updateStrategy.updateWorkloads", "spec.update.dataPlane.migrate", "`true` is Automatic", func(c *conversion, f field) error {
		moves, err := f.flag()
		if moves {
			migrate := v1alpha1.MigrateAutomatic
			c.update().DataPlane = &v1alpha1.DataPlane{Migrate: &migrate}
		}
		return err
	}},
	{"updateStrategy.inactiveRevisionDeletionGracePeriodSeconds", "spec.update.retainOld", "", func(c *conversion, f field) error {
		seconds, err := f.number()
		c.update().RetainOld = &metav1.Duration{Duration: time.Duration(seconds) * time.Second}
		return err
	}},
	{"namespace", "", "the mesh has a namespace of its own, spec.namespace (mesh-system): copy objects that are for the whole mesh there", nil},
	{"version", "", "versions of the mesh are its own: spec.version", nil},
	{"profile", "", "Istio's profiles have no gateways there, so minimal was taken. See docs/reference/profiles.md", nil},
	{"values", "", "", nothing},
}

// sail converts an Istio of the Sail operator and returns its name.
func (c *conversion) sail(object map[string]any) (string, error) {
	root := field{"", object}
	spec := root.below("spec")
	c.spec.Profile = v1alpha1.ProfileMinimal // its gateways are installed by themselves
	if spec.value == nil {
		spec.value = map[string]any{}
	}
	if err := c.walk(sailRules, spec); err != nil {
		return "", err
	}
	c.at = &workload{}
	discovery := c.at
	if err := c.chartValues(spec.below("values")); err != nil {
		return "", err
	}
	if gateways := spec.below("values").below(tableGateways); gateways.value != nil {
		c.note(gateways, "write spec.components.gateways; values of the chart gateway are converted with --gateway")
	}
	name, _ := root.below("metadata").below("name").value.(string)
	return name, c.discovery(discovery)
}

// releaseRules are about the values of the chart gateway.
var releaseRules = slices.Concat([]rule{
	{"replicaCount", "spec.components.gateways[].replicas", "where nothing scales", setCount(count)},
	{"autoscaling.enabled", "spec.components.gateways[].replicas", "", setScaled},
	{"autoscaling.minReplicas", "spec.components.gateways[].replicas.min", "", setCount(least)},
	{"autoscaling.maxReplicas", "spec.components.gateways[].replicas.max", "", setCount(most)},
	{"autoscaling.*", "", "gateways scale by CPU at a target of their own", nil},
	{"resources", "spec.components.gateways[].resources", "", setResources},
	{"service.type", "spec.components.gateways[].service.type", "", setType},
	{"service.ports", "spec.components.gateways[].service.ports", "without the status port, which is always there", setPorts},
	{"service.annotations", byPatch, "", merged(serviceMetadata, "annotations")},
	{"service.loadBalancerIP", byPatch, "", merged(service, "loadBalancerIP")},
	{"service.loadBalancerClass", byPatch, "", merged(service, "loadBalancerClass")},
	{"service.loadBalancerSourceRanges", byPatch, "", merged(service, "loadBalancerSourceRanges")},
	{"service.externalTrafficPolicy", byPatch, "", merged(service, "externalTrafficPolicy")},
	{"service.*", "", "write it as a patch in spec.patches, against the objects that meshwright render prints", nil},
	{"priorityClassName", byPatch, "", merged(pod, "priorityClassName")},
	{"imagePullSecrets", "spec.images.pullSecrets", "for all components", pullSecrets},
	{"name", "spec.components.gateways[].name", "by the label istio of its pods", nothing},
	{"labels.istio", "spec.components.gateways[].name", "", nothing},
	{"labels.*", "", "pods have the labels istio and app of their gateway's name", nil},
	{"networkGateway", "", clusters, nil},
	{"revision", "", "gateways follow the revision that serves", nil},
	{"imagePullPolicy", "", "write spec.values.imagePullPolicy", nil},
	always("kind", "Deployment", "gateways are Deployments"),
	always("unprivilegedPort", "auto", "gateways have no privileges; the Service's ports are as you like"),
	{"rbac", "", "gateways have a ServiceAccount with the rights that they need", nil},
	{"serviceAccount", "", "gateways have a ServiceAccount with the rights that they need", nil},
	{"podDisruptionBudget", "", "the profile production has budgets; without it write your own", nil},
	{"networkPolicy", "", "write spec.values.networkPolicy.enabled", nil},
	{"global", "", "write it for the whole mesh, in the values of istiod", nil},
	{"defaults", "", "leave it out: it is the chart's own", nil},
	{"_internal_defaults_do_not_set", "", "leave it out: it is the chart's own", nil},
	{"platform", "", "leave it out", nil},
}, slices.DeleteFunc(podRules(), func(r rule) bool { return r.path == "labels" }))

// helm converts values of charts.
func (c *conversion) helm(in Input) error {
	c.spec.Profile = v1alpha1.ProfileMinimal // each gateway is a release of its own
	c.at = &workload{}
	discovery := c.at
	values := field{"", in.Values}
	if in.Values == nil {
		values.value = map[string]any{}
	}
	if err := c.chartValues(values); err != nil {
		return err
	}
	if gateways := values.below(tableGateways); gateways.value != nil {
		c.note(gateways, "give the values of gateways with --gateway NAMESPACE/RELEASE=FILE")
	}
	if err := c.discovery(discovery); err != nil {
		return err
	}
	for _, release := range in.Gateways {
		prefix := fmt.Sprintf("%s/%s", release.Namespace, release.Name)
		c.at = &workload{}
		root := field{prefix, release.Values}
		if err := c.walk(releaseRules, root); err != nil {
			return err
		}
		name, _ := release.Values["name"].(string)
		label, ok := root.below("labels").below("istio").value.(string)
		if !ok {
			label = strings.TrimPrefix(cmp.Or(name, release.Name), "istio-")
		}
		kind := v1alpha1.GatewayIngress
		if strings.Contains(label, "egress") {
			kind = v1alpha1.GatewayEgress
		}
		if err := c.gateway(root, release.Namespace, label, kind, c.at); err != nil {
			return err
		}
	}
	return nil
}

// Merge puts tables of values one over the other, the last on top, as Helm does.
func Merge(layers ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, layer := range layers {
		for key, value := range layer {
			below, isTable := out[key].(map[string]any)
			above, overTable := value.(map[string]any)
			if isTable && overTable {
				value = Merge(below, above)
			}
			out[key] = value
		}
	}
	return out
}
