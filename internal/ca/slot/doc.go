// Package slot holds the signing authorities of a mesh by their role: the one
// that signs now, and the one that will. In come their stored bytes, out come
// a signer and the bundle of roots to trust. It knows no clock and no
// Kubernetes: when roles change is rotate's to say, where they are kept
// store's.
package slot
