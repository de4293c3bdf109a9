// Package backup saves what a mesh cannot be made from again, its signing
// authority, with what it was made from: the MeshInstalls and the users' objects
// of Istio's and the Gateway API. In come clients, out come objects, and a file
// that only who holds a key can read; and back. It changes and deletes nothing
// that exists.
package backup
