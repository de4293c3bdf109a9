package inject

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"istio.io/api/annotation"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/internal/redirect/capture"
)

const (
	redirectContainer = "istio-init"
	proxyContainer    = "istio-proxy"
)

// command is the program's place in every image of ours. It is named, so that
// the entry point of a base image does not matter.
var command = []string{"/usr/local/bin/meshwright"}

// readyPort and readyPath answer 200 once Envoy has its configuration.
const (
	readyPort = 15021
	readyPath = "/healthz/ready"
)

// redirectInit is the init container that writes the capture rules: the only
// one that runs as root and with a capability.
func redirectInit(c *Config, resources corev1.ResourceRequirements) corev1.Container {
	return corev1.Container{
		Name:            redirectContainer,
		Image:           c.Image,
		ImagePullPolicy: c.ImagePullPolicy,
		Command:         command,
		Args:            []string{"redirect", "--annotations-file=/etc/istio/pod/annotations"},
		Resources:       resources,
		VolumeMounts:    []corev1.VolumeMount{infoMount},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
			Privileged:               ptr.To(false),
			ReadOnlyRootFilesystem:   ptr.To(true),
			RunAsUser:                ptr.To(int64(0)),
			RunAsGroup:               ptr.To(int64(0)),
			RunAsNonRoot:             ptr.To(false),
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

// proxySidecar is the native sidecar: it starts before, and stops after, the
// containers of the user, and they start when its startup probe has passed.
func proxySidecar(c *Config, resources corev1.ResourceRequirements, env []corev1.EnvVar) corev1.Container {
	return corev1.Container{
		Name:            proxyContainer,
		Image:           c.Image,
		ImagePullPolicy: c.ImagePullPolicy,
		RestartPolicy:   ptr.To(corev1.ContainerRestartPolicyAlways),
		Command:         command,
		Args:            []string{"agent", "sidecar"},
		Env:             env,
		Resources:       resources,
		Ports:           []corev1.ContainerPort{{Name: "http-envoy-prom", ContainerPort: 15090, Protocol: corev1.ProtocolTCP}},
		// Ten minutes: discovery may be on its way up too.
		StartupProbe:   readyProbe(1, 600),
		ReadinessProbe: readyProbe(15, 4),
		// Tells the agent of the pod's end when it begins, not when the
		// application has ended. A command, because only kubelet can run it.
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
			Exec: &corev1.ExecAction{Command: append(slices.Clone(command), "leave")},
		}},
		VolumeMounts: []corev1.VolumeMount{proxyMount, infoMount, tokenMount},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			Privileged:               ptr.To(false),
			ReadOnlyRootFilesystem:   ptr.To(true),
			RunAsUser:                ptr.To(int64(capture.ProxyID)),
			RunAsGroup:               ptr.To(int64(capture.ProxyID)),
			RunAsNonRoot:             ptr.To(true),
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

func readyProbe(periodSeconds, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: readyPath, Port: intstr.FromInt32(readyPort), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    periodSeconds,
		TimeoutSeconds:   3,
		SuccessThreshold: 1,
		FailureThreshold: failures,
	}
}

// proxyEnv is what the agent is told; the names are Istio's where Istio has one.
func proxyEnv(pod *corev1.Pod, in *Input) ([]corev1.EnvVar, error) {
	level, err := logLevel(pod, in.Config)
	if err != nil {
		return nil, err
	}
	probers, err := proberJSON(pod)
	if err != nil {
		return nil, err
	}
	scrape, err := scrapeJSON(pod)
	if err != nil {
		return nil, err
	}
	from := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: field(path)}}
	}
	vars := []corev1.EnvVar{
		from("POD_NAME", "metadata.name"),
		from("POD_NAMESPACE", "metadata.namespace"),
		from("INSTANCE_IP", "status.podIP"),
		from("SERVICE_ACCOUNT", "spec.serviceAccountName"),
		from("NODE_NAME", "spec.nodeName"),
		from("HOST_IP", "status.hostIP"),
		{Name: "MESH_TRUST_DOMAIN", Value: in.Config.TrustDomain},
		{Name: "MESH_CLUSTER_ID", Value: in.Config.ClusterID},
		{Name: "TERMINATION_GRACE_SECONDS", Value: strconv.FormatInt(ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds), 10)},
		{Name: "MESH_REVISION", Value: in.Config.Revision},
		{Name: "DISCOVERY_ADDRESS", Value: in.Config.DiscoveryAddress},
		{Name: "MESH_ROOT_CERT", Value: in.RootCert},
		{Name: "PROXY_LOG_LEVEL", Value: level},
		{Name: "PROXY_CONCURRENCY", Value: strconv.Itoa(in.Config.Concurrency)},
		{Name: "ISTIO_KUBE_APP_PROBERS", Value: literal(probers)},
	}
	if scrape != "" {
		vars = append(vars, corev1.EnvVar{Name: "ISTIO_PROMETHEUS_ANNOTATIONS", Value: literal(scrape)})
	}
	return vars, nil
}

// literal keeps the kubelet from taking $(X) in text of the user's for the
// value of a variable X.
func literal(value string) string { return strings.ReplaceAll(value, "$", "$$") }

func logLevel(pod *corev1.Pod, c *Config) (string, error) {
	name := annotation.SidecarLogLevel.Name
	level, ok := pod.Annotations[name]
	if !ok {
		return c.LogLevel, nil
	}
	if !slices.Contains(logLevels, level) {
		return "", fmt.Errorf("annotation %s: %q is not a level; give one of %v", name, level, logLevels)
	}
	return level, nil
}

// proxyResources are those of the config, or those of the annotations where there
// is any: Istio does not mix the two.
func proxyResources(pod *corev1.Pod, c *Config) (corev1.ResourceRequirements, error) {
	requests, err := quantities(pod, annotation.SidecarProxyCPU.Name, annotation.SidecarProxyMemory.Name)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	limits, err := quantities(pod, annotation.SidecarProxyCPULimit.Name, annotation.SidecarProxyMemoryLimit.Name)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	if requests == nil && limits == nil {
		requests, limits = c.Resources.Requests, c.Resources.Limits
	}
	return corev1.ResourceRequirements{Requests: requested(requests, limits), Limits: limits}, nil
}

// requested fills in what the API server would: what is limited and not
// requested is requested up to the limit.
func requested(requests, limits corev1.ResourceList) corev1.ResourceList {
	all := maps.Clone(limits)
	if all == nil {
		return requests
	}
	maps.Copy(all, requests)
	return all
}

func quantities(pod *corev1.Pod, cpu, memory string) (corev1.ResourceList, error) {
	var list corev1.ResourceList
	for _, kind := range []struct {
		annotation string
		name       corev1.ResourceName
	}{{cpu, corev1.ResourceCPU}, {memory, corev1.ResourceMemory}} {
		value, ok := pod.Annotations[kind.annotation]
		if !ok {
			continue
		}
		quantity, err := resource.ParseQuantity(value)
		if err != nil || quantity.Sign() < 0 {
			return nil, fmt.Errorf("annotation %s: %q is not a quantity; give one such as 100m or 128Mi", kind.annotation, value)
		}
		if list == nil {
			list = corev1.ResourceList{}
		}
		list[kind.name] = quantity
	}
	return list, nil
}
