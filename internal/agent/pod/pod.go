package pod

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ReadMap reads a downward API file of labels or annotations: lines of
// key="value" with the value quoted as Go does. A missing file is an empty map:
// gateways need not mount it.
func ReadMap(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read downward API file: %w", err)
	}
	return parseMap(path, string(text))
}

func parseMap(path, text string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		key, quoted, ok := strings.Cut(line, "=")
		value, err := strconv.Unquote(quoted)
		if !ok || err != nil {
			return nil, fmt.Errorf("read downward API file %s: line of %q is not key=\"value\"", path, key)
		}
		out[key] = value
	}
	return out, nil
}

// The labels by which controllers mark their pods.
const (
	replicaSetHash   = "pod-template-hash"
	daemonSetHash    = "controller-revision-hash"
	statefulSetPod   = "statefulset.kubernetes.io/pod-name"
	jobName          = "batch.kubernetes.io/job-name"
	ownerPathPattern = "kubernetes://apis/%s/namespaces/%s/%s/%s"
)

// Workload is the controller of a pod, worked out from its name and labels,
// because the injected patch is the same for all pods: its name, and its path
// as Istio writes owners. A pod without a controller is its own workload.
func Workload(name, namespace string, labels map[string]string) (workload, owner string) {
	path := func(api, kind, workload string) (string, string) {
		return workload, fmt.Sprintf(ownerPathPattern, api, namespace, kind, workload)
	}
	if hash := labels[replicaSetHash]; hash != "" {
		if w, _, ok := strings.Cut(name, "-"+hash+"-"); ok {
			return path("apps/v1", "deployments", w)
		}
	}
	if job := labels[jobName]; job != "" {
		return path("batch/v1", "jobs", job)
	}
	if dash := strings.LastIndexByte(name, '-'); dash > 0 {
		switch {
		case labels[statefulSetPod] == name:
			return path("apps/v1", "statefulsets", name[:dash])
		case labels[daemonSetHash] != "":
			return path("apps/v1", "daemonsets", name[:dash])
		}
	}
	return path("v1", "pods", name)
}
