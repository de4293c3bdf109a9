// Package controllers is the operator: it brings the cluster to what a
// MeshInstall says and keeps it there. One reconciliation is an ordered list of
// steps (meshinstall_steps.go, meshinstall_delete.go) and one write of the
// status. What to make is decided in install/plan, making it is install/apply's;
// the steps only say in which order.
//
// The operator never writes the spec of an object that a person or Git owns,
// and no namespace. At rest it writes nothing but its lease.
package controllers
