// Package spiffe reads and writes the names of workloads: in comes text or a
// certificate, out goes an ID or a reason why it is none. It knows no keys, no
// clock and no Kubernetes; whether a certificate is to be believed is for its
// caller to say.
package spiffe
