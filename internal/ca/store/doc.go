// Package store keeps the mesh's signing authorities in one Kubernetes Secret
// and publishes their public roots in ConfigMaps. In comes a client, out comes
// a slot.Set that every replica agrees on. It does not sign, and nothing but it
// reads that Secret.
package store
