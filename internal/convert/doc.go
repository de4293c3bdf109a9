// Package convert makes a MeshInstall of what other installers of Istio are
// told by: IstioOperator, Sail's Istio, and the values of Istio's Helm charts.
// It is pure. What has no counterpart is never dropped in silence: each such
// field comes back as a Finding, with what to do instead.
package convert
