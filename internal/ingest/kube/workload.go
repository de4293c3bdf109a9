package kube

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/mesh"
)

const (
	// ProxyContainer is the name of the proxy's container, in sidecars and in
	// gateways, as an init container with restartPolicy Always or not.
	ProxyContainer = "istio-proxy"
	// TLSModeLabel says istio on pods that speak the mesh's TLS.
	TLSModeLabel = "security.istio.io/tlsMode"
	// routerArg stands among the arguments of a gateway's proxy container.
	routerArg = "router"
	// podTemplateHash is what a Deployment adds to the name of its ReplicaSet.
	podTemplateHash = "pod-template-hash"
)

// Workload is the mesh value of a Pod, nil for a pod that has ended: its
// address may be another's by now.
func Workload(p *corev1.Pod) *mesh.Workload {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return nil
	}
	out := &mesh.Workload{
		Namespace:      p.Namespace,
		Name:           p.Name,
		Labels:         p.Labels,
		ServiceAccount: p.Spec.ServiceAccountName,
		Node:           p.Spec.NodeName,
		HostNetwork:    p.Spec.HostNetwork,
		Leaving:        p.DeletionTimestamp != nil,
		Owner:          owner(p),
	}
	out.Meshed, out.Router = proxyOf(p)
	for _, ip := range p.Status.PodIPs {
		out.IPs = append(out.IPs, ip.IP)
	}
	if len(out.IPs) == 0 && p.Status.PodIP != "" {
		out.IPs = []string{p.Status.PodIP}
	}
	// A native sidecar's ports count: it may serve what the Service targets.
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			for _, port := range list[i].Ports {
				if port.Name != "" && (port.Protocol == corev1.ProtocolTCP || port.Protocol == "") {
					out.Ports = append(out.Ports, mesh.NamedPort{Name: port.Name, Number: port.ContainerPort})
				}
			}
		}
	}
	return out
}

// proxyOf reports whether a proxy of the mesh runs in the pod, and whether it is
// a gateway's.
func proxyOf(p *corev1.Pod) (meshed, router bool) {
	meshed = p.Labels[TLSModeLabel] == "istio"
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == ProxyContainer {
				meshed = true
				router = router || slices.Contains(list[i].Args, routerArg)
			}
		}
	}
	return meshed, router
}

// owner is the name of the workload that a person knows: the Deployment, not
// its ReplicaSet.
func owner(p *corev1.Pod) string {
	ref := metav1.GetControllerOfNoCopy(p)
	if ref == nil {
		return p.Name
	}
	if hash := p.Labels[podTemplateHash]; ref.Kind == "ReplicaSet" && hash != "" {
		return strings.TrimSuffix(ref.Name, "-"+hash)
	}
	return ref.Name
}
