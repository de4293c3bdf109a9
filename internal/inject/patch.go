package inject

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
)

// ErrNoRootCert means that the root bundle is not known yet: a pod injected now
// could trust nobody.
var ErrNoRootCert = errors.New("the mesh's root certificate is missing; wait until discovery has written it, or start discovery")

// Input is what injection needs beside the pod.
type Input struct {
	Config *Config
	// RootCert is the root bundle, PEM.
	RootCert string
	// Namespace the pod is or will be in; the pod itself often does not say.
	Namespace string
}

// Result is what injection makes of a pod.
type Result struct {
	// Patch turns the pod into an injected one. Its paths begin at the pod.
	Patch []jsonpatch.Operation
	// Skipped says why the patch is empty.
	Skipped string
	// Warnings are for the person who wrote the pod.
	Warnings []string
}

// Patch injects a pod. An error is the pod author's to mend and says how, but
// for ErrNoRootCert.
func Patch(pod *corev1.Pod, in *Input) (Result, error) {
	if reason := skip(pod, in.Namespace, in.Config); reason != "" {
		return Result{Skipped: reason}, nil
	}
	if err := refuse(pod); err != nil {
		return Result{}, err
	}
	if in.RootCert == "" {
		return Result{}, ErrNoRootCert
	}
	resources, err := proxyResources(pod, in.Config)
	if err != nil {
		return Result{}, err
	}
	env, err := proxyEnv(pod, in)
	if err != nil {
		return Result{}, err
	}
	annotations, err := annotationsToAdd(pod, in.Config)
	if err != nil {
		return Result{}, err
	}
	probes, err := rewrites(pod)
	if err != nil {
		return Result{}, err
	}

	var p patch
	p.entries("/metadata/labels", len(pod.Labels) == 0, labelsToAdd(pod, in.Config))
	p.entries("/metadata/annotations", len(pod.Annotations) == 0, annotations)
	p.list("/spec/volumes", len(pod.Spec.Volumes) == 0)
	for _, v := range volumes {
		p.add("/spec/volumes/-", v)
	}
	// Before the containers are put in front of the user's, whose indexes
	// then change.
	for _, r := range probes {
		p.ops = append(p.ops, r.ops()...)
	}
	p.leave(pod)
	p.list("/spec/initContainers", len(pod.Spec.InitContainers) == 0)
	p.add("/spec/initContainers/0", proxySidecar(in.Config, resources, env))
	p.add("/spec/initContainers/0", redirectInit(in.Config, resources))
	return Result{Patch: p.ops, Warnings: warnings(pod)}, nil
}

// patch collects operations.
type patch struct{ ops []jsonpatch.Operation }

func (p *patch) add(path string, value any) {
	p.ops = append(p.ops, jsonpatch.NewOperation("add", path, value))
}

// list makes sure of the list that elements are added to.
func (p *patch) list(path string, empty bool) {
	if empty {
		p.add(path, []any{})
	}
}

// escape writes a key as one step of a JSON pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1")

// entries sets keys of a map of strings, in order.
func (p *patch) entries(path string, empty bool, values map[string]string) {
	if empty {
		p.add(path, map[string]any{})
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		p.add(path+"/"+escape.Replace(key), values[key])
	}
}
