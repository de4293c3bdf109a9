package version

// version is stamped at link time:
// -ldflags "-X github.com/meshwright/meshwright/internal/version.version=v0.1.0".
var version = "v0.1.0"

// String is the product version of this build, as MeshInstall's spec.version
// writes it (vX.Y.Z).
func String() string { return version }
