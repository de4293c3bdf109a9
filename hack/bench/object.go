package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// object is a Kubernetes object with its kind set: of Kubernetes by its Go type,
// of Istio as unstructured.
type object interface {
	metav1.Object
	runtime.Object
}

func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

func zoneName(zone int) string { return fmt.Sprintf("zone-%d", zone) }
func nodeName(zone int) string { return fmt.Sprintf("bench-node-%d", zone) }

const region = "region-0"

func namespace(name string) object {
	return &corev1.Namespace{TypeMeta: typeMeta("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// node is the one node of a zone.
func node(zone int) object {
	return &corev1.Node{TypeMeta: typeMeta("v1", "Node"), ObjectMeta: metav1.ObjectMeta{Name: nodeName(zone), Labels: map[string]string{
		corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zoneName(zone),
	}}}
}

func (s sidecar) labels() map[string]string {
	return map[string]string{"app": s.app, "security.istio.io/tlsMode": "istio"}
}

// pod is the sidecar's, running.
func (s sidecar) pod() object {
	return &corev1.Pod{
		TypeMeta:   typeMeta("v1", "Pod"),
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: s.namespace, Labels: s.labels()},
		Spec: corev1.PodSpec{
			NodeName: nodeName(s.zone), ServiceAccountName: s.app,
			Containers: []corev1.Container{{Name: "app", Image: "app"}, {Name: "istio-proxy", Image: "proxy"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: s.address, PodIPs: []corev1.PodIP{{IP: s.address}}},
	}
}

// service is the Service.
func (s service) service() object {
	name := "http"
	if s.tcp {
		name = "tcp"
	}
	ip := address(serviceAddresses, s.number)
	return &corev1.Service{
		TypeMeta:   typeMeta("v1", "Service"),
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: s.namespace},
		Spec: corev1.ServiceSpec{
			ClusterIP: ip, ClusterIPs: []string{ip}, Selector: map[string]string{"app": s.name},
			Ports: []corev1.ServicePort{{Name: name, Port: s.port(), Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(8080)}},
		},
	}
}

// slice is the one EndpointSlice of a service.
func (m *meshOf) slice(s service) *discoveryv1.EndpointSlice {
	ready, protocol, port, name := true, corev1.ProtocolTCP, int32(8080), "http"
	if s.tcp {
		name = "tcp"
	}
	out := &discoveryv1.EndpointSlice{
		TypeMeta: typeMeta("discovery.k8s.io/v1", "EndpointSlice"),
		ObjectMeta: metav1.ObjectMeta{
			Name: s.name + "-1", Namespace: s.namespace, Labels: map[string]string{discoveryv1.LabelServiceName: s.name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
	}
	add := func(ip string, zone int, pod *corev1.ObjectReference) {
		place := zoneName(zone)
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{ip}, Zone: &place, TargetRef: pod, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	for i, zone := range s.zones {
		add(address(endpointAddresses, s.number*m.Endpoints+i), zone, nil)
	}
	for _, p := range s.pods {
		pod := m.sidecars[p]
		add(pod.address, pod.zone, &corev1.ObjectReference{Kind: "Pod", Name: pod.name, Namespace: pod.namespace})
	}
	return out
}

// istio is an object of Istio's API.
func istio(version, kind, namespace, name string, spec map[string]any) object {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": version, "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec":     spec,
	}}
}

const (
	networking = "networking.istio.io/v1"
	security   = "security.istio.io/v1"
)

// virtualService is the i-th: one path of a service has a timeout in seconds and
// goes to another service, all else to itself.
func (m *meshOf) virtualService(i, timeout int) object {
	at := m.services[m.routed[i]]
	other := m.services[m.routed[(i+1)%len(m.routed)]]
	to := func(s service) []any {
		return []any{map[string]any{"destination": map[string]any{"host": s.host(), "port": map[string]any{"number": int64(httpPort)}}}}
	}
	return istio(networking, "VirtualService", at.namespace, at.name, map[string]any{
		"hosts": []any{at.host()},
		"http": []any{
			map[string]any{
				"match":   []any{map[string]any{"uri": map[string]any{"prefix": "/other"}}},
				"timeout": fmt.Sprintf("%ds", timeout), "route": to(other),
			},
			map[string]any{"route": to(at)},
		},
	})
}

// destinationRule bounds the connections to a service.
func destinationRule(s service, connections int) object {
	return istio(networking, "DestinationRule", s.namespace, s.name, map[string]any{
		"host": s.host(),
		"trafficPolicy": map[string]any{"connectionPool": map[string]any{
			"tcp": map[string]any{"maxConnections": int64(connections)},
		}},
	})
}

// nobodysPolicy selects no pod.
func nobodysPolicy(namespace string, i int) object {
	return istio(security, "PeerAuthentication", namespace, fmt.Sprintf("nobody-%d", i), map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": fmt.Sprintf("nobody-%d", i)}},
		"mtls":     map[string]any{"mode": "STRICT"},
	})
}
