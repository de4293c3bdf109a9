package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// workload is what is found out about discovery or a gateway.
type workload struct {
	// target is its name in patches.
	target string
	// count is the fixed number of pods; least and most are those of an
	// autoscaler, which scaled turns on or off.
	count, least, most *int32
	scaled             *bool
	resources          *v1alpha1.Resources
	// pod, deployment and service are merged over what is rendered.
	pod, podMetadata, service, serviceMetadata map[string]any
	// serviceType and ports are a gateway's.
	serviceType *v1alpha1.ServiceType
	ports       []v1alpha1.GatewayPort
}

// setCount is a rule's end that sets a number of the workload at hand.
func setCount(which func(*workload) **int32) func(*conversion, field) error {
	return func(c *conversion, f field) error {
		n, err := f.number()
		if err != nil {
			return err
		}
		if n < 1 || n > 100 {
			c.note(f, "give a number of pods from 1 to 100")
			return nil
		}
		*which(c.at) = &n
		return nil
	}
}

func count(w *workload) **int32 { return &w.count }
func least(w *workload) **int32 { return &w.least }
func most(w *workload) **int32  { return &w.most }

func setScaled(c *conversion, f field) error {
	b, err := f.flag()
	c.at.scaled = &b
	return err
}

// quantity is what the chart takes.
var quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`)

func setResources(c *conversion, f field) error {
	r, err := f.resources()
	c.at.resources = r
	return err
}

// resources are those of a container, without claims.
func (f field) resources() (*v1alpha1.Resources, error) {
	out := &v1alpha1.Resources{}
	if err := f.into(out); err != nil {
		return nil, err
	}
	for _, list := range []string{"requests", "limits"} {
		quantities, _ := f.below(list).value.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(quantities)) {
			if text := fmt.Sprint(quantities[name]); !quantity.MatchString(text) {
				return nil, (field{f.path + "." + list + "." + name, quantities[name]}).wrong("a quantity such as 100m or 128Mi")
			}
		}
	}
	return out, nil
}

// merged is a rule's end that has a patch set a field.
func merged(where func(*workload) *map[string]any, name string) func(*conversion, field) error {
	return func(c *conversion, f field) error {
		if empty(f.value) {
			return nil
		}
		table := where(c.at)
		if *table == nil {
			*table = map[string]any{}
		}
		(*table)[name] = f.value
		return nil
	}
}

// empty values are the charts' own defaults.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func pod(w *workload) *map[string]any             { return &w.pod }
func podMetadata(w *workload) *map[string]any     { return &w.podMetadata }
func service(w *workload) *map[string]any         { return &w.service }
func serviceMetadata(w *workload) *map[string]any { return &w.serviceMetadata }

const byPatch = "spec.patches"

// podRules are the fields of pods that all formats have, under the names that
// Kubernetes gives them.
func podRules() []rule {
	var out []rule
	for _, name := range []string{"nodeSelector", "affinity", "tolerations", "topologySpreadConstraints"} {
		out = append(out, rule{name, byPatch, "", merged(pod, name)})
	}
	out = append(out, rule{"podAnnotations", byPatch, "", merged(podMetadata, "annotations")})
	return append(out, none("write it as a patch in spec.patches, against the objects that meshwright render prints",
		"env", "envVarFrom", "volumes", "volumeMounts", "podLabels", "labels", "annotations", "securityContext",
		"containerSecurityContext", "strategy", "rollingMaxSurge", "rollingMaxUnavailable", "readinessProbe", "livenessProbe",
		"additionalContainers", "initContainers", "minReadySeconds", "terminationGracePeriodSeconds", "extraContainerArgs",
		"serviceAnnotations", "ipFamilies", "ipFamilyPolicy", "deploymentLabels", "deploymentAnnotations")...)
}

// replicas are what the numbers come to; nil leaves them to the profile.
func (w *workload) replicas() *v1alpha1.Replicas {
	scaled := ptr.Deref(w.scaled, w.least != nil || w.most != nil)
	switch {
	case scaled && (w.least != nil || w.most != nil):
		r := &v1alpha1.Replicas{Min: w.least, Max: w.most}
		if r.Min == nil {
			r.Min = w.count
		}
		if r.Min != nil && r.Max != nil && *r.Max < *r.Min {
			r.Max = r.Min
		}
		return r
	case w.count != nil:
		return &v1alpha1.Replicas{Min: w.count, Max: w.count}
	}
	return nil
}

// component is the workload as a MeshInstall has it; nil when nothing is said.
func (w *workload) component() *v1alpha1.Component {
	replicas := w.replicas()
	if replicas == nil && w.resources == nil {
		return nil
	}
	return &v1alpha1.Component{Replicas: replicas, Resources: w.resources}
}

// patch adds the patches of the workload.
func (c *conversion) patch(w *workload) error {
	deployment := map[string]any{}
	if w.pod != nil {
		deployment["spec"] = w.pod
	}
	if w.podMetadata != nil {
		deployment["metadata"] = w.podMetadata
	}
	if len(deployment) > 0 {
		deployment = map[string]any{"spec": map[string]any{"template": deployment}}
	}
	svc := map[string]any{}
	if w.service != nil {
		svc["spec"] = w.service
	}
	if w.serviceMetadata != nil {
		svc["metadata"] = w.serviceMetadata
	}
	for _, p := range []struct {
		kind  string
		patch map[string]any
	}{{"Deployment", deployment}, {"Service", svc}} {
		if len(p.patch) == 0 {
			continue
		}
		text, err := yaml.Marshal(p.patch)
		if err != nil {
			return fmt.Errorf("write patch of %s %s: %w", p.kind, w.target, err)
		}
		c.spec.Patches = append(c.spec.Patches, v1alpha1.Patch{
			Target: v1alpha1.PatchTarget{Kind: p.kind, Name: w.target}, Type: v1alpha1.PatchStrategicMerge, Patch: string(text),
		})
	}
	return nil
}

// setType is a rule's end for the type of a gateway's Service.
func setType(c *conversion, f field) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	kind := v1alpha1.ServiceType(text)
	if !slices.Contains([]v1alpha1.ServiceType{v1alpha1.ServiceClusterIP, v1alpha1.ServiceNodePort, v1alpha1.ServiceLoadBalancer}, kind) {
		c.note(f, "give ClusterIP, NodePort or LoadBalancer")
		return nil
	}
	c.at.serviceType = &kind
	return nil
}

// statusPort is on every gateway's Service.
const statusPort = 15021

// setPorts is a rule's end for the ports of a gateway's Service.
func setPorts(c *conversion, f field) error {
	items, err := f.list()
	if err != nil {
		return err
	}
	for _, item := range items {
		var p struct {
			Name        string `json:"name"`
			Port        int32  `json:"port"`
			NodePort    *int32 `json:"nodePort"`
			TargetPort  any    `json:"targetPort"`
			Protocol    string `json:"protocol"`
			AppProtocol string `json:"appProtocol"`
		}
		if err := item.into(&p); err != nil {
			return err
		}
		switch {
		case p.Port == statusPort:
			continue
		case cmp.Or(p.Protocol, "TCP") != "TCP":
			c.note(item, "gateways take TCP only")
			continue
		case p.Port < 1 || p.Port > 65535:
			return item.below("port").wrong("a port")
		}
		port := v1alpha1.GatewayPort{Name: portName(p.Name, p.Port), Port: p.Port, NodePort: p.NodePort, TargetPort: c.targetPort(item.below("targetPort"), p.Port)}
		if slices.ContainsFunc(c.at.ports, func(q v1alpha1.GatewayPort) bool { return q.Name == port.Name || q.Port == port.Port }) {
			return &FieldError{item.path, fmt.Sprintf("port %d or its name is there twice", p.Port)}
		}
		c.at.ports = append(c.at.ports, port)
	}
	return nil
}

// portName is a name that the API takes.
func portName(name string, port int32) string {
	name = strings.Trim(regexp.MustCompile(`[^-a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name == "" || len(name) > 15 {
		return fmt.Sprintf("tcp-%d", port)
	}
	return name
}

// targetPort is the pod's port, which needs no privileges; nil for the default.
func (c *conversion) targetPort(f field, port int32) *int32 {
	target := port
	if f.value != nil {
		n, err := f.number()
		if err != nil {
			c.note(f, "the pod's port has a number here; one was chosen")
			n = 0
		}
		target = n
	}
	switch {
	case port == 80 || port == 443:
		if target < 1024 || target == port+8000 {
			return nil
		}
	case target < 1024:
		target = port
		if port < 1024 {
			target += 10000
		}
	}
	if target == port {
		return nil
	}
	return &target
}

// gateway adds a gateway. label is its value of the label istio, by which
// Gateways select it; at is where it is said.
func (c *conversion) gateway(at field, namespace, label string, kind v1alpha1.GatewayKind, w *workload) error {
	name := gatewayName(label)
	if namespace == "" || namespace == "istio-system" {
		namespace = map[v1alpha1.GatewayKind]string{v1alpha1.GatewayIngress: "mesh-ingress", v1alpha1.GatewayEgress: "mesh-egress"}[kind]
		c.note(field{at.path, label}, "the gateway is %s/meshwright-%s: copy the Secrets that Gateways name there", namespace, name)
	} else if namespace != "mesh-ingress" && namespace != "mesh-egress" {
		c.note(field{at.path, label}, "the gateway is %s/meshwright-%s: give the operator rights in that namespace (--gateway-namespaces)", namespace, name)
	}
	if selector := name + "gateway"; selector != label {
		c.note(field{at.path, label}, "its pods have the label istio: %s; Gateways with the selector istio: %s are to be changed", selector, label)
	}
	w.target = name
	g := v1alpha1.Gateway{Name: name, Namespace: namespace, Kind: &kind}
	if component := w.component(); component != nil {
		g.Component = *component
	}
	if w.serviceType != nil || w.ports != nil {
		g.Service = &v1alpha1.GatewayService{Type: w.serviceType, Ports: w.ports}
	}
	c.components().Gateways = append(c.components().Gateways, g)
	return c.patch(w)
}

// gatewayName is the name of a gateway whose pods have the label istio:
// <name>gateway.
func gatewayName(label string) string {
	name := strings.Trim(regexp.MustCompile(`[^-a-z0-9]+`).ReplaceAllString(strings.ToLower(label), "-"), "-0123456789")
	name = strings.TrimRight(strings.TrimSuffix(name, "gateway"), "-")
	return cmp.Or(name[:min(len(name), 30)], "gateway")
}

// discovery sets the component.
func (c *conversion) discovery(w *workload) error {
	w.target = "discovery"
	if component := w.component(); component != nil {
		c.components().Discovery = component
	}
	return c.patch(w)
}

// proxyResources are the sidecars'.
func proxyResources(c *conversion, f field) error {
	r, err := f.resources()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write spec.values: %w", err)
	}
	var table map[string]any
	if err := json.Unmarshal(raw, &table); err != nil {
		return fmt.Errorf("write spec.values: %w", err)
	}
	return c.value(table, "proxy", "resources")
}
