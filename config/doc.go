// Package config holds what Kustomize builds: CRDs, rights, the operator's
// Deployment and samples. There is no code in it but tests, which compare the
// whole with the operator's Helm chart.
package config
