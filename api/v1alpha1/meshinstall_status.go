package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The condition types. Exactly one of Ready, Reconciling and Stalled is True
// at any time, as kstatus wants it; Available and Degraded speak beside them.
const (
	// ConditionReady is True when the active revision is the wanted one and
	// all of it is up.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator works or waits.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when only a person can help. Its message names
	// the field and the fix.
	ConditionStalled = "Stalled"
	// ConditionAvailable is True while the mesh serves, be it with an older
	// revision or with fewer replicas.
	ConditionAvailable = "Available"
	// ConditionDegraded is True when the mesh serves, with a fault.
	ConditionDegraded = "Degraded"
)

// The reasons of conditions.
const (
	// ReasonReady : everything wanted is there.
	ReasonReady = "Ready"
	// ReasonProgressing : objects were applied and are not ready yet.
	ReasonProgressing = "Progressing"
	// ReasonRetrying : a request to the API server did not succeed; it is
	// tried again.
	ReasonRetrying = "Retrying"
	// ReasonUninstalling : the MeshInstall is being deleted.
	ReasonUninstalling = "Uninstalling"
	// ReasonUnknownVersion : spec.version is not in the catalogue.
	ReasonUnknownVersion = "UnknownVersion"
	// ReasonUnknownProfile : spec.profile is not one of the version's.
	ReasonUnknownProfile = "UnknownProfile"
	// ReasonInvalidSpec : a field of the spec cannot be met.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonNamespaceNotPrepared : a namespace is named in which the operator
	// was given no rights.
	ReasonNamespaceNotPrepared = "NamespaceNotPrepared"
	// ReasonAnotherMeshInstall : an older MeshInstall has this cluster.
	ReasonAnotherMeshInstall = "AnotherMeshInstall"
	// ReasonObjectConflict : an object that we would create exists and belongs
	// to somebody else.
	ReasonObjectConflict = "ObjectConflict"
	// ReasonRefused : the API server refuses an object of ours.
	ReasonRefused = "Refused"
	// ReasonDeadlineExceeded : a Deployment made no progress in time.
	ReasonDeadlineExceeded = "DeadlineExceeded"
	// ReasonComponentNotReady : a component has fewer ready pods than wanted.
	ReasonComponentNotReady = "ComponentNotReady"
	// ReasonAddressPending : a LoadBalancer Service has no address.
	ReasonAddressPending = "AddressPending"
	// ReasonNotInstalled : no revision was ever active.
	ReasonNotInstalled = "NotInstalled"
	// ReasonAsWanted : nothing to say against it.
	ReasonAsWanted = "AsWanted"
)

// MeshInstallStatus is what the operator found and did.
type MeshInstallStatus struct {
	// observedGeneration is the generation of the spec that this status
	// speaks about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// version is the version of the active revision.
	// +optional
	Version string `json:"version,omitempty"`

	// activeRevision is the revision that serves: the webhook and the stable
	// Services point at it.
	// +optional
	ActiveRevision string `json:"activeRevision,omitempty"`

	// targetRevision is the revision that the spec asks for.
	// +optional
	TargetRevision string `json:"targetRevision,omitempty"`

	// components are the parts of the target revision.
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []ComponentStatus `json:"components,omitempty"`

	// revisions are the revisions that have objects in the cluster.
	// +optional
	// +listType=map
	// +listMapKey=name
	Revisions []RevisionStatus `json:"revisions,omitempty"`

	// conditions are Ready, Reconciling, Stalled, Available and Degraded.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ComponentStatus is the state of one component.
type ComponentStatus struct {
	// name is discovery, injector or gateway/<namespace>/<name>.
	// +required
	Name string `json:"name"`
	// ready is the number of pods that are ready.
	// +optional
	Ready int32 `json:"ready"`
	// desired is the number of pods wanted.
	// +optional
	Desired int32 `json:"desired"`
	// addresses are a gateway's addresses outside the cluster.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
	// message says what is missing. Empty when nothing is.
	// +optional
	Message string `json:"message,omitempty"`
}

// RevisionPhase is what a revision is to its MeshInstall.
//
// +kubebuilder:validation:Enum=Pending;Active;Retired
type RevisionPhase string

// The phases of a revision.
const (
	// RevisionPending is wanted and not ready yet.
	RevisionPending RevisionPhase = "Pending"
	// RevisionActive serves.
	RevisionActive RevisionPhase = "Active"
	// RevisionRetired is gone but for its discovery Service, which leads to
	// the active revision for proxies that were injected by it.
	RevisionRetired RevisionPhase = "Retired"
)

// RevisionStatus is one revision of this install.
type RevisionStatus struct {
	// name of the MeshRevision.
	// +required
	Name string `json:"name"`
	// version of the mesh in it.
	// +optional
	Version string `json:"version,omitempty"`
	// phase is Pending, Active or Retired.
	// +optional
	Phase RevisionPhase `json:"phase,omitempty"`
}
