package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MeshRevision is the operator's record of one rendered install: all that is
// needed to render its objects again. Its name is <install>-<hash10>, the hash
// being over everything that is rendered for a revision. The spec never changes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mrev,categories=meshwright
// +kubebuilder:printcolumn:name="Install",type=string,JSONPath=`.spec.install`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MeshRevision struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was rendered.
	// +required
	Spec MeshRevisionSpec `json:"spec"`

	// status is how it does.
	// +optional
	Status MeshRevisionStatus `json:"status,omitempty"`
}

// MeshRevisionList is a list of MeshRevision.
//
// +kubebuilder:object:root=true
type MeshRevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MeshRevision `json:"items"`
}

// MeshRevisionSpec is the input and the hash of one rendering.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec: a MeshRevision never changes"
type MeshRevisionSpec struct {
	// install is the name of the MeshInstall.
	// +required
	Install string `json:"install"`
	// version of the mesh, and so of the chart.
	// +required
	Version string `json:"version"`
	// renderedHash is the SHA-256 over the rendered objects of the revision,
	// in hexadecimal, with a placeholder for the revision's name.
	// +required
	RenderedHash string `json:"renderedHash"`
	// values are the chart's values: profile, values, valuesFrom and spec, merged.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Values runtime.RawExtension `json:"values"`
	// patches are those of the MeshInstall.
	// +optional
	// +listType=atomic
	Patches []Patch `json:"patches,omitempty"`
}

// MeshRevisionStatus is how a revision does.
type MeshRevisionStatus struct {
	// observedGeneration is the generation of the MeshInstall that this status
	// speaks about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase is what the revision is to its MeshInstall: Pending, Canary,
	// Active, Retiring, Retired or Failed.
	// +optional
	Phase RevisionPhase `json:"phase,omitempty"`
	// proxiesConnected is the number of proxies that are connected to it.
	// +optional
	ProxiesConnected *int32 `json:"proxiesConnected,omitempty"`
	// namespaces is the number of namespaces whose new pods get its proxy.
	// +optional
	Namespaces *int32 `json:"namespaces,omitempty"`
	// moved are these namespaces, while the revision shares the mesh with the
	// one that served before.
	// +optional
	// +listType=set
	Moved []string `json:"moved,omitempty"`
	// staying are the mesh's other namespaces then, whose new pods get the proxy
	// of the revision that served before.
	// +optional
	// +listType=set
	Staying []string `json:"staying,omitempty"`
	// gateways is true when gateways' Services lead to its pods, while it shares
	// the mesh with the one that served before.
	// +optional
	Gateways bool `json:"gateways,omitempty"`
	// update is how far the canary of this revision is, or was.
	// +optional
	Update *UpdateStatus `json:"update,omitempty"`
	// result is how the update to this revision ended.
	// +optional
	Result *HistoryEntry `json:"result,omitempty"`
}
