package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MeshInstall says what service mesh this cluster shall have. The operator
// installs it and keeps it so. The smallest useful object has spec.version only.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mi,categories=meshwright
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.profile`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.activeRevision`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.update.step`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 30",message="metadata.name: must be no longer than 30 characters, because the names of revisions begin with it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name: must begin with a letter and have only lower-case letters, digits and '-', because the names of Services contain it"
type MeshInstall struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the cluster shall have. The operator never writes it.
	// +required
	Spec MeshInstallSpec `json:"spec"`
	// status is what the operator found and did.
	// +optional
	Status MeshInstallStatus `json:"status,omitempty"`
}

// MeshInstallList is a list of MeshInstall.
//
// +kubebuilder:object:root=true
type MeshInstallList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MeshInstall `json:"items"`
}

// Profile is a named set of values that comes with each version.
//
// +kubebuilder:validation:Enum=minimal;default;production;demo
type Profile string

// The profiles.
const (
	// ProfileMinimal is discovery and injector, without gateways.
	ProfileMinimal Profile = "minimal"
	// ProfileDefault adds an ingress gateway.
	ProfileDefault Profile = "default"
	// ProfileProduction has several pods of everything, scaled, spread and
	// guarded, and changes in steps.
	ProfileProduction Profile = "production"
	// ProfileDemo adds an egress gateway, asks for few resources, and gives
	// the ingress gateway a NodePort.
	ProfileDemo Profile = "demo"
)

// MeshInstallSpec is the wish. What is left out, the profile decides.
//
// +kubebuilder:validation:XValidation:rule="(has(self.meshConfig) && has(self.meshConfig.trustDomain) ? self.meshConfig.trustDomain : 'cluster.local') == (has(oldSelf.meshConfig) && has(oldSelf.meshConfig.trustDomain) ? oldSelf.meshConfig.trustDomain : 'cluster.local')",message="spec.meshConfig.trustDomain: cannot be changed, every identity of the mesh contains it"
type MeshInstallSpec struct {
	// version is the exact mesh version, such as v0.1.0. It must be one that
	// this operator carries.
	// +required
	// +kubebuilder:validation:Pattern=`^v[0-9]+\.[0-9]+\.[0-9]+$`
	// +kubebuilder:validation:MaxLength=32
	Version string `json:"version"`

	// profile is the set of values to begin with: minimal (discovery and
	// injector), default (and an ingress gateway), production (the same with
	// several pods each, scaled, spread and guarded) or demo (and an egress
	// gateway, with small requests). docs/reference/profiles.md has what each
	// sets. Defaults to "default".
	// +optional
	// +kubebuilder:default=default
	Profile Profile `json:"profile,omitempty"`

	// namespace holds the control plane and is the mesh's root namespace. It
	// cannot be changed. Defaults to "mesh-system".
	// +optional
	// +kubebuilder:default=mesh-system
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed; delete the MeshInstall and create it anew"
	Namespace string `json:"namespace,omitempty"`

	// components sets the parts of the mesh one by one.
	// +optional
	Components *Components `json:"components,omitempty"`

	// meshConfig sets how the mesh behaves.
	// +optional
	MeshConfig *MeshConfig `json:"meshConfig,omitempty"`

	// values are values of the version's chart, over the profile's and under the
	// fields above. A key that the chart does not have is an error.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Values *runtime.RawExtension `json:"values,omitempty"`

	// valuesFrom are objects with values, each over the one before it, and all
	// under values. What they hold is part of the revision: a change makes a
	// new one, within a minute. A Secret keeps values out of Git; what is
	// rendered from them is in the cluster for those to read who may read that.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	ValuesFrom []ValuesSource `json:"valuesFrom,omitempty"`

	// patches change objects after they were rendered, in order. One that
	// changes nothing is an error.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Patches []Patch `json:"patches,omitempty"`

	// images says where images come from.
	// +optional
	Images *Images `json:"images,omitempty"`

	// tags are the values of the label istio.io/rev, beside the revisions'
	// names, by which namespaces and pods choose this mesh. Each belongs to one
	// MeshInstall only. The tag "default" also stands for istio-injection:
	// enabled. Defaults to ["default"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:items:MaxLength=63
	Tags []string `json:"tags,omitempty"`

	// scope is the part of the cluster that belongs to this mesh. Left out,
	// all of it does.
	// +optional
	Scope *Scope `json:"scope,omitempty"`

	// mode is Apply; Plan, which writes what would change into the status and a
	// ConfigMap and changes nothing; or Paused, which changes nothing. Defaults
	// to Apply.
	// +optional
	// +kubebuilder:default=Apply
	Mode Mode `json:"mode,omitempty"`

	// update says how the mesh goes from one revision to the next.
	// +optional
	Update *Update `json:"update,omitempty"`

	// drift is what is done about an object of ours that somebody else changed:
	// Correct puts it right and says so, Report says so. Defaults to Correct.
	// +optional
	// +kubebuilder:default=Correct
	Drift DriftAction `json:"drift,omitempty"`

	// adoption says whether objects of somebody else's may be taken over.
	// +optional
	Adoption *Adoption `json:"adoption,omitempty"`

	// deletion says what happens when this MeshInstall is deleted.
	// +optional
	Deletion *Deletion `json:"deletion,omitempty"`
}

// MeshConfig is the behaviour of the mesh. Defaults are Istio's.
type MeshConfig struct {
	// trustDomain is the first part of every identity,
	// spiffe://<trustDomain>/ns/<namespace>/sa/<service account>. It cannot be
	// changed. Defaults to "cluster.local".
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TrustDomain *string `json:"trustDomain,omitempty"`

	// mtls is the mode of mutual TLS where no PeerAuthentication says
	// otherwise: Permissive, Strict or Disable. Defaults to Permissive.
	// +optional
	MTLS *MTLSMode `json:"mtls,omitempty"`

	// outboundTrafficPolicy says what happens to traffic for a destination
	// that the mesh does not know: AllowAny or RegistryOnly. Defaults to
	// AllowAny.
	// +optional
	OutboundTrafficPolicy *OutboundTrafficPolicy `json:"outboundTrafficPolicy,omitempty"`
}

// MTLSMode is a mode of mutual TLS.
//
// +kubebuilder:validation:Enum=Permissive;Strict;Disable
type MTLSMode string

// The modes of mutual TLS.
const (
	MTLSPermissive MTLSMode = "Permissive"
	MTLSStrict     MTLSMode = "Strict"
	MTLSDisable    MTLSMode = "Disable"
)

// OutboundTrafficPolicy says what happens to traffic for unknown destinations.
//
// +kubebuilder:validation:Enum=AllowAny;RegistryOnly
type OutboundTrafficPolicy string

// The outbound traffic policies.
const (
	OutboundAllowAny     OutboundTrafficPolicy = "AllowAny"
	OutboundRegistryOnly OutboundTrafficPolicy = "RegistryOnly"
)
