// Package images writes container images without a container engine: an image
// is a list of files and a few words of configuration, kept as an OCI archive in
// the user's cache. The bytes depend on the files alone (no clock, no user), so
// an archive that is there already is not written again.
package images
