// Package check judges whether a cluster is fit for the mesh, and whether the
// mesh in it is well. Facts come in, as somebody read them; lines for people go
// out, each with a hint. It reads no cluster and no clock.
package check
