// Package v1alpha1 holds the API group meshwright.io: MeshInstall, which a
// person or Git writes to say what mesh a cluster shall have, and MeshRevision,
// the operator's immutable record of one rendered install. Types, validation
// rules, condition types and reasons; no behaviour.
//
// A field that any profile sets has no default here: profiles decide, and
// `meshwright render` and the status show the outcome.
//
// +kubebuilder:object:generate=true
// +groupName=meshwright.io
package v1alpha1
