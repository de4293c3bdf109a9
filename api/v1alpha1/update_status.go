package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PlanStatus counts what stands between the cluster and the spec.
type PlanStatus struct {
	// create is the number of objects that are missing.
	// +optional
	Create int32 `json:"create"`
	// update is the number of objects that differ.
	// +optional
	Update int32 `json:"update"`
	// delete is the number of objects that are not wanted any more.
	// +optional
	Delete int32 `json:"delete"`
	// unchanged is the number of objects that are as they shall be.
	// +optional
	Unchanged int32 `json:"unchanged"`
	// adopt is the number of those to update that are somebody else's today.
	// +optional
	Adopt int32 `json:"adopt,omitempty"`
	// diffRef is the ConfigMap with the difference, in the mesh's namespace.
	// +optional
	DiffRef *LocalReference `json:"diffRef,omitempty"`
}

// LocalReference names an object in the mesh's namespace.
type LocalReference struct {
	// name of the object.
	// +required
	Name string `json:"name"`
}

// UpdateStatus is how far an update is.
type UpdateStatus struct {
	// step is the number of the step under way, counted from 1. 0 before the
	// first.
	// +optional
	Step int32 `json:"step"`
	// steps is the number of steps.
	// +optional
	Steps int32 `json:"steps"`
	// startedAt is when the update began: its first step, and before that the
	// wait for the revision to come up.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// stepStartedAt is when the step began.
	// +optional
	StepStartedAt *metav1.Time `json:"stepStartedAt,omitempty"`
	// gates are those of the step, as measured last.
	// +optional
	// +listType=map
	// +listMapKey=name
	Gates []GateStatus `json:"gates,omitempty"`
	// workloads counts the owners of pods that are restarted.
	// +optional
	Workloads *WorkloadsStatus `json:"workloads,omitempty"`
	// blockedBy says what restarts wait for, such as "PodDisruptionBudget
	// shop/cart allows 0 disruptions". At most ten are listed.
	// +optional
	// +listType=atomic
	BlockedBy []string `json:"blockedBy,omitempty"`
}

// GateStatus is one gate as measured last.
type GateStatus struct {
	// name of the gate, as in spec.update.canary.gates or of a query.
	// +required
	Name string `json:"name"`
	// value that was measured.
	// +optional
	Value string `json:"value,omitempty"`
	// threshold that it is held against.
	// +optional
	Threshold string `json:"threshold,omitempty"`
	// ok is true when the gate is open.
	// +optional
	OK bool `json:"ok"`
	// since is when ok became what it is.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// message says why the gate is shut.
	// +optional
	Message string `json:"message,omitempty"`
}

// WorkloadsStatus counts owners of pods, such as Deployments.
type WorkloadsStatus struct {
	// total is the number of owners with a proxy in the namespaces of the
	// steps so far.
	// +optional
	Total int32 `json:"total"`
	// moved have the new revision's proxy in all pods.
	// +optional
	Moved int32 `json:"moved"`
	// waiting are to be restarted, or are restarting.
	// +optional
	Waiting int32 `json:"waiting"`
	// skipped are left alone: excluded, paused, or without an owner that can
	// restart them.
	// +optional
	Skipped int32 `json:"skipped"`
	// failed were restarted and are not ready.
	// +optional
	Failed int32 `json:"failed"`
}

// HistoryResult is how the time of a revision began or ended.
//
// +kubebuilder:validation:Enum=Promoted;RolledBack;Paused;Superseded
type HistoryResult string

// The results.
const (
	// HistoryPromoted : the revision became the active one.
	HistoryPromoted HistoryResult = "Promoted"
	// HistoryRolledBack : a gate failed and everything was put back.
	HistoryRolledBack HistoryResult = "RolledBack"
	// HistoryPaused : a gate failed and everything was left as it was.
	HistoryPaused HistoryResult = "Paused"
	// HistorySuperseded : the spec changed before the revision was promoted.
	HistorySuperseded HistoryResult = "Superseded"
)

// HistoryReasonNotUp is the reason of a revision that did not come up in time.
const HistoryReasonNotUp = "NotUp"

// HistoryEntry is a fact about a revision that does not change any more.
type HistoryEntry struct {
	// revision is the name of the MeshRevision.
	// +required
	Revision string `json:"revision"`
	// version of the mesh in it.
	// +optional
	Version string `json:"version,omitempty"`
	// result is Promoted, RolledBack, Paused or Superseded.
	// +required
	Result HistoryResult `json:"result"`
	// reason of a result that is not Promoted, in one word: the gate that failed,
	// or NotUp for a revision that did not come up in time.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says more about it.
	// +optional
	Message string `json:"message,omitempty"`
	// at is when it was so.
	// +required
	At metav1.Time `json:"at"`
}
