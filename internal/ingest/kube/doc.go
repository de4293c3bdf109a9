// Package kube turns objects of Kubernetes itself into mesh values: Services,
// EndpointSlices, Pods, Nodes and Secrets. What an object does not say is left
// at zero; nothing is looked up.
package kube
