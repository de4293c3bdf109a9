// Package node runs a real Kubernetes of one node on this machine: etcd,
// kube-apiserver, controller-manager, scheduler, containerd, kubelet,
// kube-proxy and CoreDNS.
//
// A cluster is one process tree. Its first process has network, mount, process,
// host name, IPC and cgroup namespaces of its own and is the init of its process
// namespace, so the kernel ends everything with it: programs, Pods, mounts,
// interfaces, nftables. What is left to remove is one cgroup and one folder.
// Several clusters run beside each other, told apart by name.
//
// The machine reaches a cluster's node, Pods and Services by a veth pair whose
// other end is the node's eth0. A node has no way to the internet. Nothing gives
// Services of type LoadBalancer an address: they stay pending, and their
// NodePorts answer.
//
// Start (up.go) and Stop (down.go) are the callers' side; Init (init.go) and
// Supervise (supervise.go) run inside the namespaces.
package node
