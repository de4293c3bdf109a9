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
	// ConditionUpdateAllowed is False while a revision is given the mesh step
	// by step: the operator is better not updated then.
	ConditionUpdateAllowed = "UpdateAllowed"
)

// The reasons of conditions.
const (
	// ReasonReady : everything wanted is there.
	ReasonReady = "Ready"
	// ReasonPlanned : the mode is Plan, and something would change.
	ReasonPlanned = "Planned"
	// ReasonPaused : the mode is Paused, and the spec asks for something else
	// than what serves.
	ReasonPaused = "Paused"
	// ReasonProgressing : objects were applied and are not ready yet.
	ReasonProgressing = "Progressing"
	// ReasonRetrying : a request to the API server did not succeed; it is
	// tried again.
	ReasonRetrying = "Retrying"
	// ReasonUninstalling : the MeshInstall is being deleted.
	ReasonUninstalling = "Uninstalling"
	// ReasonDeleteBlocked : the MeshInstall is deleted, and waits until nothing
	// uses the mesh.
	ReasonDeleteBlocked = "DeleteBlocked"
	// ReasonUnknownVersion : spec.version is not in the catalogue.
	ReasonUnknownVersion = "UnknownVersion"
	// ReasonVersionEndOfLife : support of spec.version has ended.
	ReasonVersionEndOfLife = "VersionEndOfLife"
	// ReasonKubernetesTooOld : spec.version needs a newer API server.
	ReasonKubernetesTooOld = "KubernetesTooOld"
	// ReasonPathRefused : spec.version cannot be reached from the active one in
	// one step.
	ReasonPathRefused = "PathRefused"
	// ReasonUnknownProfile : spec.profile is not one of the version's.
	ReasonUnknownProfile = "UnknownProfile"
	// ReasonInvalidSpec : a field of the spec cannot be met.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonInvalidValues : a value is unknown to the chart, or of a wrong form.
	ReasonInvalidValues = "InvalidValues"
	// ReasonValuesNotFound : an object of spec.valuesFrom, or its key, is not
	// there.
	ReasonValuesNotFound = "ValuesNotFound"
	// ReasonValuesForbidden : the operator may not read an object of
	// spec.valuesFrom.
	ReasonValuesForbidden = "ValuesForbidden"
	// ReasonInvalidPatch : a patch cannot be applied, or changes nothing.
	ReasonInvalidPatch = "InvalidPatch"
	// ReasonNamespaceNotPrepared : a namespace is named in which the operator
	// was given no rights.
	ReasonNamespaceNotPrepared = "NamespaceNotPrepared"
	// ReasonAnotherMeshInstall : an older MeshInstall has a tag or a namespace
	// that this one asks for.
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
	// ReasonDriftReported : somebody changed an object, and spec.drift is Report.
	ReasonDriftReported = "DriftReported"
	// ReasonDriftConflict : somebody changes an object as often as it is put
	// right.
	ReasonDriftConflict = "DriftConflict"
	// ReasonCanary : a revision is up and is given the mesh step by step.
	ReasonCanary = "Canary"
	// ReasonRolledBack : a gate failed, and everything was put back.
	ReasonRolledBack = "RolledBack"
	// ReasonUpdatePaused : a gate failed, and everything stays as it is until
	// the spec changes.
	ReasonUpdatePaused = "UpdatePaused"
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

	// renderedHash is the SHA-256 over the rendered objects of the target
	// revision, in hexadecimal. The revision's name ends in its beginning.
	// +optional
	RenderedHash string `json:"renderedHash,omitempty"`

	// plan counts what stands between the cluster and the spec, in the mode Plan.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`

	// update is how far the update to the target revision is, while there is one.
	// +optional
	Update *UpdateStatus `json:"update,omitempty"`

	// history has what became of revisions, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	History []HistoryEntry `json:"history,omitempty"`

	// failedHashes are the rendered hashes of revisions that were rolled back.
	// They are not tried again before the spec changes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	FailedHashes []string `json:"failedHashes,omitempty"`

	// unmeshed are the workloads with pods that their labels ask a sidecar for
	// and that came up without. Left out when there are none.
	// +optional
	Unmeshed *UnmeshedStatus `json:"unmeshed,omitempty"`

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

	// conditions are Ready, Reconciling, Stalled, Available, Degraded and
	// UpdateAllowed.
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
	// revision that it is of.
	// +optional
	Revision string `json:"revision,omitempty"`
	// version of the mesh in that.
	// +optional
	Version string `json:"version,omitempty"`
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

// UnmeshedStatus names workloads that lack a sidecar.
type UnmeshedStatus struct {
	// workloads is the number of owners of such pods.
	// +optional
	Workloads int32 `json:"workloads"`
	// names are the first ten, such as "Deployment shop/cart".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Names []string `json:"names,omitempty"`
}

// RevisionPhase is what a revision is to its MeshInstall.
//
// +kubebuilder:validation:Enum=Pending;Canary;Active;Retiring;Retired;Failed
type RevisionPhase string

// The phases of a revision.
const (
	// RevisionPending is wanted and not ready yet.
	RevisionPending RevisionPhase = "Pending"
	// RevisionCanary is ready and serves some namespaces.
	RevisionCanary RevisionPhase = "Canary"
	// RevisionActive serves.
	RevisionActive RevisionPhase = "Active"
	// RevisionRetiring served before, and is kept whole for spec.update.retainOld.
	RevisionRetiring RevisionPhase = "Retiring"
	// RevisionRetired is gone but for its discovery Service, which leads to
	// the active revision for proxies that were injected by it.
	RevisionRetired RevisionPhase = "Retired"
	// RevisionFailed was rolled back.
	RevisionFailed RevisionPhase = "Failed"
)

// RevisionStatus is one revision of this install.
type RevisionStatus struct {
	// name of the MeshRevision.
	// +required
	Name string `json:"name"`
	// version of the mesh in it.
	// +optional
	Version string `json:"version,omitempty"`
	// phase is Pending, Canary, Active, Retiring, Retired or Failed.
	// +optional
	Phase RevisionPhase `json:"phase,omitempty"`
	// proxies is the number of proxies that are connected to it.
	// +optional
	Proxies *int32 `json:"proxies,omitempty"`
	// namespaces is the number of namespaces whose new pods get its proxy.
	// +optional
	Namespaces *int32 `json:"namespaces,omitempty"`
}
