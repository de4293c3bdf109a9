package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Update says how a mesh goes from one revision to the next. What is left out,
// the profile decides.
type Update struct {
	// strategy is InPlace or Canary. InPlace makes the new revision serve all
	// as soon as it is ready; pods keep the proxy that they have. Canary moves
	// namespaces step by step, each step held and gated. The profile production
	// has Canary, the others InPlace.
	// +optional
	Strategy *UpdateStrategy `json:"strategy,omitempty"`

	// canary is read with the strategy Canary.
	// +optional
	Canary *Canary `json:"canary,omitempty"`

	// dataPlane says how running pods get the new revision's proxy.
	// +optional
	DataPlane *DataPlane `json:"dataPlane,omitempty"`

	// retainOld is how long a revision is kept whole, its gateways too, after
	// another has taken its place, so that going back is quick. A proxy that is
	// connected to it stays so until then, or until it connects anew: the name by
	// which it knows discovery leads to the active revision. Defaults to 0s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	RetainOld *metav1.Duration `json:"retainOld,omitempty"`

	// revisionHistoryLimit is the number of retired MeshRevisions kept. One is
	// kept beyond that while a pod has its proxy. Defaults to 5.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=50
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`

	// allow opens paths between versions that are closed otherwise.
	// +optional
	Allow *AllowedPaths `json:"allow,omitempty"`
}

// UpdateStrategy is a way from one revision to the next.
//
// +kubebuilder:validation:Enum=InPlace;Canary
type UpdateStrategy string

// The strategies.
const (
	UpdateInPlace UpdateStrategy = "InPlace"
	UpdateCanary  UpdateStrategy = "Canary"
)

// Canary is an update in steps.
type Canary struct {
	// steps are taken in order. Those with a selector come first, then those
	// with a weight, which rises to 100 in the last. Defaults to one step of
	// weight 100; the profile production has 10, 50 and 100, held for 5m each.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.map(s, has(s.weight) ? s.weight : 0).isSorted()",message="steps with a selector come first, then those with a weight, which must rise"
	// +kubebuilder:validation:XValidation:rule="self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",message="weights must rise from step to step"
	// +kubebuilder:validation:XValidation:rule="has(self[size(self) - 1].weight) && self[size(self) - 1].weight == 100",message="the last step must have weight 100"
	Steps []CanaryStep `json:"steps,omitempty"`

	// gates must all be open for as long as a step is held.
	// +optional
	Gates *Gates `json:"gates,omitempty"`

	// progressDeadline is the longest that a step may wait for its gates, its
	// hold not counted, and with both strategies the longest that a revision may
	// take to come up. Then the update has failed. Defaults to 30m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	ProgressDeadline *metav1.Duration `json:"progressDeadline,omitempty"`

	// onFailure is Rollback, which puts everything back, or Pause, which leaves
	// it as it is: a revision that is not up is waited for. Defaults to Rollback.
	// +optional
	OnFailure *FailureAction `json:"onFailure,omitempty"`

	// approval is Automatic, or Manual: then a step is begun once approvedStep
	// is its number or more. Defaults to Automatic.
	// +optional
	Approval *Approval `json:"approval,omitempty"`

	// approvedStep is the number of the last step that may be begun, counted
	// from 1. It is read with the approval Manual. Defaults to 0: none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	ApprovedStep *int32 `json:"approvedStep,omitempty"`
}

// CanaryStep moves some namespaces to the new revision.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) != has(self.weight)",message="set either selector or weight"
type CanaryStep struct {
	// selector takes the namespaces with these labels. It must not be empty.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",message="it must select by something; to take all namespaces use weight 100"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// weight is the share of the mesh's namespaces, in percent, chosen by a
	// hash that is the same each time: a namespace that has moved stays.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight *int32 `json:"weight,omitempty"`

	// hold is how long all gates must have been open without a break before
	// the next step. Defaults to 0s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	Hold *metav1.Duration `json:"hold,omitempty"`
}

// Gates are the conditions of a step. Each is measured on the new revision.
type Gates struct {
	// controlPlaneReady asks that discovery and injector are up and did not
	// restart since the update began. Defaults to true.
	// +optional
	ControlPlaneReady *bool `json:"controlPlaneReady,omitempty"`

	// proxiesConnected is the least share of running pods with a proxy of the
	// new revision, its gateways among them, whose proxy is connected to it.
	// Defaults to "0.99".
	// +optional
	ProxiesConnected *Ratio `json:"proxiesConnected,omitempty"`

	// configAcknowledged is the least share of connected proxies that took the
	// last configuration sent to them and refuse none. Defaults to "0.999".
	// +optional
	ConfigAcknowledged *Ratio `json:"configAcknowledged,omitempty"`

	// pushLatencyP99 is the most that 99 of 100 recent responses may take from
	// the moment they are sent to their acknowledgement. Defaults to 2s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	PushLatencyP99 *metav1.Duration `json:"pushLatencyP99,omitempty"`

	// workloadsReady asks that owners whose pods were restarted have as many
	// ready pods as before. Defaults to true.
	// +optional
	WorkloadsReady *bool `json:"workloadsReady,omitempty"`

	// injectionDryRun asks that a pod created in a dry run gets the new
	// revision's proxy. Defaults to true.
	// +optional
	InjectionDryRun *bool `json:"injectionDryRun,omitempty"`

	// queries are asked of Prometheus as well.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Queries []QueryGate `json:"queries,omitempty"`
}

// Ratio is a share between 0 and 1, as a decimal such as "0.99".
//
// +kubebuilder:validation:Pattern=`^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$`
// +kubebuilder:validation:MaxLength=8
type Ratio string

// QueryGate is a gate by a Prometheus query. It is open when each sample of the
// result compares well, and there is one.
type QueryGate struct {
	// name of the gate in the status.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// url of the Prometheus server, such as http://prometheus.monitoring:9090.
	// +required
	// +kubebuilder:validation:Pattern=`^https?://`
	// +kubebuilder:validation:MaxLength=253
	URL string `json:"url"`
	// expr is the query; $(revision) in it is the new revision's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
	// op compares a sample with value: <, <=, > or >=.
	// +required
	// +kubebuilder:validation:Enum=<;<=;>;>=
	Op string `json:"op"`
	// value is a decimal number such as "0.01".
	// +required
	// +kubebuilder:validation:Pattern=`^-?[0-9]+(\.[0-9]+)?$`
	// +kubebuilder:validation:MaxLength=32
	Value string `json:"value"`
}

// FailureAction is what is done when a step has failed.
//
// +kubebuilder:validation:Enum=Rollback;Pause
type FailureAction string

// The actions on failure.
const (
	FailureRollback FailureAction = "Rollback"
	FailurePause    FailureAction = "Pause"
)

// Approval is who lets a step begin.
//
// +kubebuilder:validation:Enum=Automatic;Manual
type Approval string

// The approvals.
const (
	ApprovalAutomatic Approval = "Automatic"
	ApprovalManual    Approval = "Manual"
)

// DataPlane says how running pods get the new revision's proxy.
type DataPlane struct {
	// migrate is Automatic: what runs with the former revision's proxy is
	// restarted; or Manual: new pods alone get the new one. Defaults to Manual;
	// the profile production has Automatic.
	// +optional
	Migrate *Migration `json:"migrate,omitempty"`

	// restart is how: Rollout annotates the pod template of the owner, which makes
	// its pods anew in its own way; Evict annotates the owner alone and evicts its
	// pods one by one, each once the former is up again, as budgets allow; None
	// restarts nothing. Defaults to Rollout.
	// +optional
	Restart *RestartMethod `json:"restart,omitempty"`

	// maxConcurrent is the number of owners that are restarted at once.
	// Defaults to 3.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxConcurrent *int32 `json:"maxConcurrent,omitempty"`

	// maxUnavailablePerNamespace is the number of owners in one namespace that
	// are restarted at once. Defaults to 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxUnavailablePerNamespace *int32 `json:"maxUnavailablePerNamespace,omitempty"`

	// windows are the times in which restarts may begin. Left out: always.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Windows []Window `json:"windows,omitempty"`

	// exclude leaves out the namespaces, and the owners, with these labels. An
	// empty selector excludes nothing.
	// +optional
	Exclude *metav1.LabelSelector `json:"exclude,omitempty"`
}

// Migration says whether running pods are restarted.
//
// +kubebuilder:validation:Enum=Automatic;Manual
type Migration string

// The migrations.
const (
	MigrateAutomatic Migration = "Automatic"
	MigrateManual    Migration = "Manual"
)

// RestartMethod is how a pod is made to start anew.
//
// +kubebuilder:validation:Enum=Rollout;Evict;None
type RestartMethod string

// The restart methods.
const (
	RestartRollout RestartMethod = "Rollout"
	RestartEvict   RestartMethod = "Evict"
	RestartNone    RestartMethod = "None"
)

// Window is a time that comes again.
type Window struct {
	// schedule is when it opens, in UTC, as cron has it: minute, hour, day of
	// the month, month, day of the week. "0 22 * * 1-5" is ten in the evening
	// from Monday to Friday.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9*/,-]+( [0-9*/,-]+){4}$`
	// +kubebuilder:validation:MaxLength=100
	Schedule string `json:"schedule"`
	// duration is how long it stays open.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	Duration metav1.Duration `json:"duration"`
}

// AllowedPaths are the paths between versions that are closed unless opened.
type AllowedPaths struct {
	// downgrade allows a version that is older than the active one. Defaults
	// to false.
	// +optional
	Downgrade bool `json:"downgrade,omitempty"`
	// skipMinor allows to leave out a minor version. Defaults to false.
	// +optional
	SkipMinor bool `json:"skipMinor,omitempty"`
}
