// Package controllers is the operator: it brings the cluster to what a
// MeshInstall says and keeps it there. One reconciliation is an ordered list of
// steps (meshinstall_steps.go, meshinstall_delete.go, and meshinstall_keep.go for
// a mesh whose spec cannot be met) and one write of the status. How far an update
// goes is decided by a reconciler of its own, in steps too (rollout_controller.go):
// it writes that into the status of MeshRevisions, and restarts workloads. What
// to make is decided in install/plan, making it is install/apply's; the steps
// only say in which order.
//
// The operator never writes the spec of an object that a person or Git owns,
// and no namespace. At rest it writes nothing but its lease.
package controllers
