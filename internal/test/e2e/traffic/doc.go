// Package traffic is the end-to-end tests of the data plane: real requests
// through a mesh that the operator's Helm chart installed, beside what the live
// Envoys hold. The tests share their applications.
package traffic
