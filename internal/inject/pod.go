package inject

import (
	"fmt"
	"slices"
	"strings"

	"istio.io/api/annotation"
	"istio.io/api/label"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/internal/redirect/capture"
)

// systemNamespaces keep a cluster alive and are never injected.
var systemNamespaces = []string{"kube-node-lease", "kube-public", "kube-system"}

// skip says why a pod is to be left as it is; an empty reason means inject it.
func skip(pod *corev1.Pod, namespace string, c *Config) (reason string) {
	switch {
	case namespace == c.MeshNamespace || slices.Contains(systemNamespaces, namespace):
		return fmt.Sprintf("namespace %s is never injected", namespace)
	case pod.Spec.HostNetwork:
		// Its rules would capture the node's own traffic.
		return "the pod uses the host's network"
	case pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows:
		return "the pod runs on Windows"
	case !wanted(pod):
		return label.SidecarInject.Name + " is false"
	case injected(pod):
		return "the pod is injected already"
	}
	return ""
}

// wanted is false for a pod that opts out. The label wins over the older
// annotation of the same name, as in Istio.
func wanted(pod *corev1.Pod) bool {
	if value, ok := pod.Labels[label.SidecarInject.Name]; ok {
		return value != "false"
	}
	return pod.Annotations[annotation.SidecarInject.Name] != "false"
}

// injected asks for the annotation and the container: the annotation alone is
// left behind where somebody copied the metadata of an injected pod.
func injected(pod *corev1.Pod) bool {
	_, said := pod.Annotations[annotation.SidecarStatus.Name]
	return said && slices.ContainsFunc(pod.Spec.InitContainers, named(proxyContainer))
}

func named(name string) func(corev1.Container) bool {
	return func(c corev1.Container) bool { return c.Name == name }
}

// refuse returns an error for a pod that cannot be injected as it is. It names
// the field and the way out.
func refuse(pod *corev1.Pod) error {
	if _, err := capture.FromAnnotations(pod.Annotations); err != nil {
		return err
	}
	optOut := fmt.Sprintf("rename it, or set the label %s to \"false\"", label.SidecarInject.Name)
	for _, c := range containers(pod) {
		if c.Name == redirectContainer || c.Name == proxyContainer {
			return fmt.Errorf("container %s has a name that injection needs; %s", c.Name, optOut)
		}
	}
	for _, v := range pod.Spec.Volumes {
		if slices.ContainsFunc(volumes, func(own corev1.Volume) bool { return own.Name == v.Name }) {
			return fmt.Errorf("volume %s has a name that injection needs; %s", v.Name, optOut)
		}
	}
	return nil
}

// containers are those of the user, as the kubelet starts them.
func containers(pod *corev1.Pod) []corev1.Container {
	return append(slices.Clone(pod.Spec.InitContainers), pod.Spec.Containers...)
}

// served are the annotations of Istio's that injection, redirection or the
// agent acts on.
var served = []string{
	annotation.SidecarInject.Name,
	annotation.SidecarStatus.Name,
	annotation.SidecarInterceptionMode.Name,
	annotation.SidecarLogLevel.Name,
	annotation.SidecarProxyCPU.Name,
	annotation.SidecarProxyCPULimit.Name,
	annotation.SidecarProxyMemory.Name,
	annotation.SidecarProxyMemoryLimit.Name,
	annotation.SidecarRewriteAppHTTPProbers.Name,
	annotation.SidecarTrafficIncludeOutboundIPRanges.Name,
	annotation.SidecarTrafficExcludeOutboundIPRanges.Name,
	annotation.SidecarTrafficIncludeOutboundPorts.Name,
	annotation.SidecarTrafficExcludeOutboundPorts.Name,
	annotation.SidecarTrafficIncludeInboundPorts.Name,
	annotation.SidecarTrafficExcludeInboundPorts.Name,
	annotation.SidecarTrafficExcludeInterfaces.Name,
}

// unserved are the prefixes of Istio's annotations about a pod's proxy.
var unserved = []string{
	"sidecar.istio.io/", "traffic.sidecar.istio.io/", "readiness.status.sidecar.istio.io/",
	"status.sidecar.istio.io/", "proxy.istio.io/", "inject.istio.io/",
}

// warnings name what in the pod will not do what its author may think.
func warnings(pod *corev1.Pod) []string {
	var out []string
	for name := range pod.Annotations {
		known := slices.Contains(served, name)
		foreign := !slices.ContainsFunc(unserved, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if !known && !foreign {
			out = append(out, fmt.Sprintf("annotation %s is not served yet and has no effect", name))
		}
	}
	slices.Sort(out)
	for _, c := range containers(pod) {
		if id := runsAs(pod, &c); id != "" {
			out = append(out, fmt.Sprintf("container %s runs as %s %d, which is the proxy's: its connections bypass the mesh; give it another", c.Name, id, capture.ProxyID))
		}
	}
	return out
}

// runsAs says which id of the proxy, user or group, the container has taken.
func runsAs(pod *corev1.Pod, c *corev1.Container) string {
	var user, group *int64
	if s := pod.Spec.SecurityContext; s != nil {
		user, group = s.RunAsUser, s.RunAsGroup
	}
	if s := c.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			user = s.RunAsUser
		}
		if s.RunAsGroup != nil {
			group = s.RunAsGroup
		}
	}
	switch {
	case user != nil && *user == capture.ProxyID:
		return "user"
	case group != nil && *group == capture.ProxyID:
		return "group"
	}
	return ""
}
