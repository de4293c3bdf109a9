package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// Components are the parts of the mesh that the operator runs.
type Components struct {
	// discovery is the control plane: it watches the cluster, signs
	// certificates and configures the proxies.
	// +optional
	Discovery *Component `json:"discovery,omitempty"`

	// injector adds the proxy to new pods.
	// +optional
	Injector *Component `json:"injector,omitempty"`

	// gateways are proxies of their own at the edge of the mesh. An entry
	// with the namespace and name of one that the profile has changes that
	// one; any other is added. The profiles but minimal have "ingress" in
	// mesh-ingress, demo has "egress" in mesh-egress.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Gateways []Gateway `json:"gateways,omitempty"`
}

// Component sizes one Deployment.
type Component struct {
	// replicas is the number of pods. The profile has the default.
	// +optional
	Replicas *Replicas `json:"replicas,omitempty"`

	// resources are the container's requests and limits. Where set they
	// replace the profile's as a whole.
	// +optional
	Resources *Resources `json:"resources,omitempty"`
}

// Replicas is a number of pods, fixed or scaled with the load.
//
// +kubebuilder:validation:XValidation:rule="!has(self.max) || !has(self.min) || self.max >= self.min",message="max must not be less than min"
type Replicas struct {
	// min is the least number of pods, and the number while nothing scales
	// them.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Min *int32 `json:"min,omitempty"`
	// max is the most. Above min, a HorizontalPodAutoscaler scales between the
	// two by CPU. Left out, it is the profile's where that is more than min.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Max *int32 `json:"max,omitempty"`
}

// Resources are compute resources as a container has them.
type Resources struct {
	// requests is what the scheduler sets aside, by resource name.
	// +optional
	Requests map[string]resource.Quantity `json:"requests,omitempty"`
	// limits is the most that may be used, by resource name.
	// +optional
	Limits map[string]resource.Quantity `json:"limits,omitempty"`
}

// Gateway is a proxy at the edge of the mesh, with a Service of its own. Its
// pods have the labels `istio: <name>gateway` and `app: istio-<name>gateway`,
// so a Gateway with the selector `istio: ingressgateway` finds the one named
// "ingress".
type Gateway struct {
	// name of the gateway. Its Service is meshwright-<name>.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`

	// namespace of the gateway. It must be one in which the operator was
	// given rights: mesh-ingress and mesh-egress unless set otherwise.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// kind is Ingress or Egress. Needed unless the profile has this gateway.
	// +optional
	Kind *GatewayKind `json:"kind,omitempty"`

	// enabled is false to leave out a gateway that the profile has. Defaults
	// to true.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	Component `json:",inline"`

	// service shapes the gateway's Service.
	// +optional
	Service *GatewayService `json:"service,omitempty"`
}

// GatewayKind is the direction of a gateway.
//
// +kubebuilder:validation:Enum=Ingress;Egress
type GatewayKind string

// The kinds of gateways.
const (
	GatewayIngress GatewayKind = "Ingress"
	GatewayEgress  GatewayKind = "Egress"
)

// GatewayService is what can be chosen about a gateway's Service.
type GatewayService struct {
	// type is ClusterIP, NodePort or LoadBalancer. Defaults to LoadBalancer
	// for an ingress and ClusterIP for an egress gateway; the profile demo has
	// NodePort for its ingress gateway.
	// +optional
	Type *ServiceType `json:"type,omitempty"`

	// ports replace the default ones, which are 80 (to 8080) and 443 (to
	// 8443). The status port 15021 is always there.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Ports []GatewayPort `json:"ports,omitempty"`
}

// ServiceType is a type of a Kubernetes Service.
//
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
type ServiceType string

// The types of Services.
const (
	ServiceClusterIP    ServiceType = "ClusterIP"
	ServiceNodePort     ServiceType = "NodePort"
	ServiceLoadBalancer ServiceType = "LoadBalancer"
)

// GatewayPort is a TCP port of a gateway's Service.
//
// +kubebuilder:validation:XValidation:rule="self.port != 15021",message="port 15021 is the gateway's status port"
type GatewayPort struct {
	// name of the port.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="self != 'status-port'",message="status-port is the name of the gateway's status port"
	Name string `json:"name"`

	// port is the Service's port, and the number that a Gateway's server names.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// targetPort is the pod's port. The gateway has no privileges: it must be
	// above 1023. Defaults to port, or to 8080 and 8443 for 80 and 443.
	// +optional
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	TargetPort *int32 `json:"targetPort,omitempty"`

	// nodePort is the port on every node, for the types NodePort and
	// LoadBalancer. Kubernetes chooses one when it is left out.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`
}
