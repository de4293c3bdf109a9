package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Mode says what the operator may do for a MeshInstall.
//
// +kubebuilder:validation:Enum=Apply;Plan;Paused
type Mode string

// The modes.
const (
	// ModeApply makes the cluster what the spec says.
	ModeApply Mode = "Apply"
	// ModePlan writes what would change into the status and a ConfigMap, and
	// nothing else.
	ModePlan Mode = "Plan"
	// ModePaused writes nothing but the status.
	ModePaused Mode = "Paused"
)

// DriftAction is what is done about an object that somebody else changed.
//
// +kubebuilder:validation:Enum=Correct;Report
type DriftAction string

// The actions on drift.
const (
	DriftCorrect DriftAction = "Correct"
	DriftReport  DriftAction = "Report"
)

// Adoption says whether objects of somebody else's may be taken over.
type Adoption struct {
	// enabled takes over objects that exist under the names of this mesh's and
	// that no controller keeps, such as those of a Helm release, of kubectl, or of
	// a MeshInstall that was deleted and left them. They keep their identity, and
	// what others wrote beside our fields. It is done once all that this MeshInstall
	// asks for was accepted in a dry run; mode Plan lists what would be adopted.
	// What was adopted is this mesh's, and goes with it. Defaults to false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
}

// Scope is the part of the cluster that belongs to a mesh.
type Scope struct {
	// namespaceSelector selects the namespaces of this mesh. Empty or left out,
	// all belong to it. No namespace can belong to two meshes: the older
	// MeshInstall has it.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
}

// Deletion says what happens when the MeshInstall is deleted.
type Deletion struct {
	// policy is WhenUnused, which removes the mesh once no pod has its sidecar
	// and no proxy but its own gateways is connected; Immediate, which removes it
	// at once; or Orphan, which leaves the mesh as it is: a MeshInstall of the
	// same name takes it over again. It may be changed while the removal waits.
	// Defaults to WhenUnused.
	// +optional
	Policy *DeletionPolicy `json:"policy,omitempty"`

	// guardTimeout is how long WhenUnused waits, counted from the deletion,
	// before it removes the mesh all the same. 0s waits for ever. Defaults to 1h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	GuardTimeout *metav1.Duration `json:"guardTimeout,omitempty"`
}

// DeletionPolicy is a way to go.
//
// +kubebuilder:validation:Enum=WhenUnused;Immediate;Orphan
type DeletionPolicy string

// The deletion policies.
const (
	// DeleteWhenUnused removes the mesh once nothing uses it.
	DeleteWhenUnused DeletionPolicy = "WhenUnused"
	// DeleteImmediate removes the mesh at once.
	DeleteImmediate DeletionPolicy = "Immediate"
	// DeleteOrphan leaves the mesh as it is, without an owner.
	DeleteOrphan DeletionPolicy = "Orphan"
)
