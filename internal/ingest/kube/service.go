package kube

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/meshwright/meshwright/internal/mesh"
)

// ExportToAnnotation limits who sees a Service, as exportTo does elsewhere.
const ExportToAnnotation = "networking.istio.io/exportTo"

// Service is the mesh value of a Service. domain is the cluster's DNS suffix.
func Service(domain string, s *corev1.Service) *mesh.Service {
	out := &mesh.Service{
		Namespace:    s.Namespace,
		Name:         s.Name,
		Hostname:     s.Name + "." + s.Namespace + ".svc." + domain,
		Headless:     s.Spec.ClusterIP == corev1.ClusterIPNone,
		Selector:     s.Spec.Selector,
		ExportTo:     exportTo(s.Annotations[ExportToAnnotation]),
		ExternalName: s.Spec.ExternalName,
	}
	for _, ip := range clusterIPs(s) {
		if ip != "" && ip != corev1.ClusterIPNone {
			out.Addresses = append(out.Addresses, ip)
		}
	}
	for _, p := range s.Spec.Ports {
		if port, ok := servicePort(p); ok {
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

// clusterIPs reads the list, or the older single field where it alone is set.
func clusterIPs(s *corev1.Service) []string {
	if len(s.Spec.ClusterIPs) > 0 {
		return s.Spec.ClusterIPs
	}
	return []string{s.Spec.ClusterIP}
}

func servicePort(p corev1.ServicePort) (mesh.ServicePort, bool) {
	out := mesh.ServicePort{Name: p.Name, Number: p.Port}
	switch p.Protocol {
	case corev1.ProtocolTCP, "":
		out.Protocol = protocol(p.Name, p.AppProtocol, p.Port)
	case corev1.ProtocolUDP:
		out.Protocol = mesh.ProtocolUDP
	default:
		// Envoy has no SCTP.
		return mesh.ServicePort{}, false
	}
	switch {
	case p.TargetPort.Type == intstr.String:
		out.TargetName = p.TargetPort.StrVal
	case p.TargetPort.IntVal != 0:
		out.TargetPort = p.TargetPort.IntVal
	default:
		out.TargetPort = p.Port
	}
	return out, true
}

func exportTo(annotation string) []string {
	var out []string
	for name := range strings.SplitSeq(annotation, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
