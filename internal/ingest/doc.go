// Package ingest turns one Kubernetes object into one mesh value and the
// Problems that the object has of itself. It is pure: no client, no clock, no
// other object. What is wrong only in the light of other objects (a host that
// does not exist) is a derivation's to say. The kinds of Kubernetes are in
// ingest/kube, those of Istio in ingest/istio.
package ingest
