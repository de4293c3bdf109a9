// Package e2e is the end-to-end tests and what they share: a running node, its
// kubectl, a namespace for each test. `make test-e2e` starts a node for them,
// loads the images and sets KUBECONFIG; with CLUSTER=name it uses one that runs
// already. The tests have the build tag e2e.
package e2e
