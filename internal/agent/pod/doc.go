// Package pod reads what kubelet tells a pod about itself: in come the files of
// the downward API, out come labels, annotations and the name of the workload
// that the pod belongs to. It asks nobody.
package pod
