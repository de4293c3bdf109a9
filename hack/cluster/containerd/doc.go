// Package containerd pins the container runtime: go.mod names its programs as
// tools, so that the module's checksums fix every byte that is built.
package containerd
