package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/charts"
)

// Invalid is a wish that cannot be met. Reason is one of the API's condition
// reasons, Field the path in the MeshInstall, Message says what to change.
type Invalid struct{ Reason, Field, Message string }

// Error is the field and the message.
func (e *Invalid) Error() string { return e.Field + ": " + e.Message }

// folders are the names below a folder of the charts. Embedded folders can
// always be read; one that is missing has no names.
func folders(dir string) []string {
	entries, _ := fs.ReadDir(charts.Files, dir)
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// resolve merges the version's values, the profile and the spec. The result is
// complete: with the chart it decides every rendered byte.
func resolve(in Input) (map[string]any, error) {
	spec := WithDefaults(in.Spec)
	values, err := profileValues(spec)
	if err != nil {
		return nil, err
	}
	if values, err = overlay(values, in, spec.Version); err != nil {
		return nil, err
	}
	delete(values, updateKey)
	if err := checkTags(in.Install, spec.Tags); err != nil {
		return nil, err
	}
	if len(spec.Tags) > 0 {
		values["tags"] = anys(slices.Sorted(slices.Values(spec.Tags)))
	}
	if err := setScope(values, spec); err != nil {
		return nil, err
	}
	values["install"] = in.Install
	values["namespace"] = spec.Namespace
	images := cmp.Or(spec.Images, &v1alpha1.Images{})
	values["image"] = fromRegistry(cmp.Or(in.Image, DefaultImage(spec.Version)), images.Registry)
	if len(images.PullSecrets) > 0 {
		values["imagePullSecrets"] = anys(slices.Sorted(slices.Values(images.PullSecrets)))
	}
	if err := setDoor(values, in.AdmissionPolicies); err != nil {
		return nil, err
	}
	if err := setMeshConfig(values, spec.MeshConfig); err != nil {
		return nil, err
	}
	if err := setComponents(values, spec.Components); err != nil {
		return nil, err
	}
	return values, nil
}

// overlay puts the user's values over the profile's: valuesFrom in its order,
// then values.
func overlay(values map[string]any, in Input, version string) (map[string]any, error) {
	if len(in.ValuesFrom) != len(in.Spec.ValuesFrom) {
		return nil, fmt.Errorf("read spec.valuesFrom: %d of %d objects are given", len(in.ValuesFrom), len(in.Spec.ValuesFrom))
	}
	entry, err := Carried.find(version)
	if err != nil {
		return nil, err
	}
	c, err := loadChart(entry.chart)
	if err != nil {
		return nil, err
	}
	layers := slices.Clone(in.ValuesFrom)
	if in.Spec.Values != nil {
		layers = append(layers, string(in.Spec.Values.Raw))
	}
	for i, text := range layers {
		field := "spec.values"
		if i < len(in.ValuesFrom) {
			from := in.Spec.ValuesFrom[i]
			field = fmt.Sprintf("spec.valuesFrom[%d](%s %s)", i, from.Kind, from.Name)
		}
		layer := map[string]any{}
		if err := yaml.UnmarshalStrict([]byte(text), &layer); err != nil {
			return nil, &Invalid{v1alpha1.ReasonInvalidValues, field, "this is no table of values in YAML: " + err.Error()}
		}
		if err := checkValues(c, layer, field); err != nil {
			return nil, err
		}
		values = chartutil.CoalesceTables(layer, values)
	}
	return values, nil
}

// WithDefaults is a copy of a spec with the defaults that the CRD has, for
// specs that did not come from the API server.
func WithDefaults(spec v1alpha1.MeshInstallSpec) v1alpha1.MeshInstallSpec {
	spec = *spec.DeepCopy()
	spec.Profile = cmp.Or(spec.Profile, v1alpha1.ProfileDefault)
	spec.Namespace = cmp.Or(spec.Namespace, "mesh-system")
	spec.Mode = cmp.Or(spec.Mode, v1alpha1.ModeApply)
	spec.Drift = cmp.Or(spec.Drift, v1alpha1.DriftCorrect)
	for i := range spec.ValuesFrom {
		spec.ValuesFrom[i].Key = cmp.Or(spec.ValuesFrom[i].Key, "values.yaml")
	}
	for i := range spec.Patches {
		spec.Patches[i].Type = cmp.Or(spec.Patches[i].Type, v1alpha1.PatchStrategicMerge)
	}
	return spec
}

func profileValues(spec v1alpha1.MeshInstallSpec) (map[string]any, error) {
	entry, err := Carried.find(spec.Version)
	if err != nil {
		return nil, err
	}
	dir := entry.chart
	if profiles := folders(path.Join(dir, "profiles")); !slices.Contains(profiles, string(spec.Profile)) {
		return nil, &Invalid{v1alpha1.ReasonUnknownProfile, "spec.profile", fmt.Sprintf("version %s has no profile %q; set one of: %s", spec.Version, spec.Profile, strings.Join(profiles, ", "))}
	}
	c, err := loadChart(dir)
	if err != nil {
		return nil, err
	}
	raw, err := charts.Files.ReadFile(path.Join(dir, "profiles", string(spec.Profile)+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", spec.Profile, err)
	}
	profile := map[string]any{}
	if err := yaml.Unmarshal(raw, &profile); err != nil {
		return nil, fmt.Errorf("read profile %s: %w", spec.Profile, err)
	}
	return chartutil.CoalesceTables(profile, runtimeCopy(c.Values)), nil
}

func setMeshConfig(values map[string]any, config *v1alpha1.MeshConfig) error {
	if config == nil {
		return nil
	}
	if m := config.MTLS; m != nil && !slices.Contains([]v1alpha1.MTLSMode{v1alpha1.MTLSPermissive, v1alpha1.MTLSStrict, v1alpha1.MTLSDisable}, *m) {
		return &Invalid{v1alpha1.ReasonInvalidSpec, "spec.meshConfig.mtls", fmt.Sprintf("%q is no mode; set Permissive, Strict or Disable", *m)}
	}
	if p := config.OutboundTrafficPolicy; p != nil && *p != v1alpha1.OutboundAllowAny && *p != v1alpha1.OutboundRegistryOnly {
		return &Invalid{v1alpha1.ReasonInvalidSpec, "spec.meshConfig.outboundTrafficPolicy", fmt.Sprintf("%q is no policy; set AllowAny or RegistryOnly", *p)}
	}
	return overwrite(values["meshConfig"].(map[string]any), config)
}

func setComponents(values map[string]any, components *v1alpha1.Components) error {
	if components == nil {
		components = &v1alpha1.Components{}
	}
	for name, c := range map[string]*v1alpha1.Component{"discovery": components.Discovery, "injector": components.Injector} {
		if c == nil {
			continue
		}
		table := values[name].(map[string]any)
		former := table["replicas"]
		if err := overwrite(table, c); err != nil {
			return err
		}
		if err := mergeReplicas(table, former, "spec.components."+name); err != nil {
			return err
		}
	}
	defaults := values["gatewayDefaults"].(map[string]any)
	gateways, err := mergeGateways(values["gateways"].([]any), defaults, components.Gateways)
	values["gateways"] = gateways
	return err
}

// mergeGateways puts the user's gateways over the profile's, in the order of
// namespace and name, so that the order of a list decides nothing.
func mergeGateways(profile []any, defaults map[string]any, wanted []v1alpha1.Gateway) ([]any, error) {
	merged := map[string]map[string]any{}
	for _, p := range profile {
		g := p.(map[string]any)
		merged[fmt.Sprint(g["namespace"], "/", g["name"])] = g
	}
	for i, w := range wanted {
		field := fmt.Sprintf("spec.components.gateways[%d]", i)
		key := w.Namespace + "/" + w.Name
		if w.Enabled != nil && !*w.Enabled {
			delete(merged, key)
			continue
		}
		g := merged[key]
		if g == nil {
			if w.Kind == nil {
				return nil, &Invalid{v1alpha1.ReasonInvalidSpec, field + ".kind", fmt.Sprintf("the profile has no gateway %s; set kind to Ingress or Egress", key)}
			}
			g = map[string]any{}
			merged[key] = g
		}
		if err := setTargetPorts(w.Service, field); err != nil {
			return nil, err
		}
		w.Enabled = nil
		service, _ := g["service"].(map[string]any)
		replicas, ok := g["replicas"]
		if !ok {
			replicas = defaults["replicas"]
		}
		if err := overwrite(g, w); err != nil {
			return nil, err
		}
		if err := mergeReplicas(g, replicas, field); err != nil {
			return nil, err
		}
		if own, ok := g["service"].(map[string]any); ok {
			g["service"] = chartutil.CoalesceTables(own, service)
		}
	}
	out := make([]any, 0, len(merged))
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		out = append(out, merged[key])
	}
	return out, nil
}

// mergeReplicas fills in from the profile's number of pods what a component
// left out of its own. A least number above the profile's most is a fixed one.
func mergeReplicas(component map[string]any, profile any, field string) error {
	replicas, ok := component["replicas"].(map[string]any)
	if !ok {
		return nil
	}
	ownMax, fixed := replicas["max"]
	former, _ := profile.(map[string]any)
	for k, v := range former {
		if _, ok := replicas[k]; !ok {
			replicas[k] = v
		}
	}
	least, most := number(replicas["min"]), number(replicas["max"])
	switch {
	case fixed && most < least:
		return &Invalid{v1alpha1.ReasonInvalidSpec, field + ".replicas.max", fmt.Sprintf("%v is less than the least number, which the profile sets to %d; set replicas.min too", ownMax, least)}
	case most <= least:
		delete(replicas, "max")
	}
	return nil
}

// number is a JSON number, 0 where there is none.
func number(v any) int {
	f, _ := v.(float64)
	return int(f)
}

// setTargetPorts fills in the pod's ports: the gateway has no privileges, so
// a port below 1024 needs one above. A Service names each port number once.
func setTargetPorts(service *v1alpha1.GatewayService, field string) error {
	if service == nil {
		return nil
	}
	seen := map[int32]bool{}
	for i := range service.Ports {
		p := &service.Ports[i]
		if seen[p.Port] {
			return &Invalid{v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s.service.ports[%d].port", field, i), fmt.Sprintf("port %d is there twice; name each number once", p.Port)}
		}
		seen[p.Port] = true
		if p.TargetPort != nil {
			continue
		}
		target := p.Port
		switch {
		case p.Port == 80 || p.Port == 443:
			target += 8000 // 8080 and 8443
		case p.Port < 1024:
			return &Invalid{v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s.service.ports[%d].targetPort", field, i), fmt.Sprintf("port %d needs a targetPort above 1023, because gateways run without privileges", p.Port)}
		}
		p.TargetPort = &target
	}
	return nil
}

// overwrite sets the fields of a table that the API value has, each as a whole.
func overwrite(table map[string]any, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write values: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("write values: %w", err)
	}
	for k, v := range fields {
		table[k] = v
	}
	return nil
}

// runtimeCopy is a deep copy of a table of JSON values.
func runtimeCopy(table map[string]any) map[string]any { return runtime.DeepCopyJSON(table) }
