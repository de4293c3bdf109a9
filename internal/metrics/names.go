package metrics

// Namespace is the first word of every metric's name.
const Namespace = "meshwright"

// Labels that more than one metric has.
const (
	// LabelType is the short name of an xDS type.
	LabelType = "type"
	// LabelKind is the kind of an object.
	LabelKind = "kind"
	// LabelReason is the reason of a Problem.
	LabelReason = "reason"
	// LabelResult is ok or error.
	LabelResult = "result"
)

// Values of LabelResult.
const (
	ResultOK    = "ok"
	ResultError = "error"
)
