package inject

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	jsonpatchapply "github.com/evanphx/json-patch/v5"
	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// templates says where the pod is in the objects that hold one.
var templates = map[string]string{
	"v1/Pod":                   "",
	"v1/ReplicationController": "/spec/template",
	"apps/v1/Deployment":       "/spec/template",
	"apps/v1/StatefulSet":      "/spec/template",
	"apps/v1/DaemonSet":        "/spec/template",
	"apps/v1/ReplicaSet":       "/spec/template",
	"batch/v1/Job":             "/spec/template",
	"batch/v1/CronJob":         "/spec/jobTemplate/spec/template",
}

// Stream injects the pods in a stream of YAML or JSON documents: Pods, what
// makes them, and Lists of these. Every other document, and one with no pod to
// inject, is passed on byte by byte. The namespace is that of each object, else
// that of in. It returns warnings and reasons for leaving pods alone, each with
// the object in front. On error the output is not to be used.
func Stream(out io.Writer, input io.Reader, in *Input) (notes []string, err error) {
	reader := k8syaml.NewYAMLReader(bufio.NewReader(input))
	for first := true; ; first = false {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return notes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
		injected, more, err := injectDocument(document, in)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
		if !first {
			injected = append([]byte("---\n"), injected...)
		}
		if len(injected) > 0 && injected[len(injected)-1] != '\n' {
			injected = append(injected, '\n')
		}
		if _, err := out.Write(injected); err != nil {
			return nil, fmt.Errorf("write document: %w", err)
		}
	}
}

func injectDocument(document []byte, in *Input) ([]byte, []string, error) {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, nil, fmt.Errorf("read document: %w", err)
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return document, nil, nil
	}
	ops, notes, err := objectPatch(raw, "", in)
	if err != nil || len(ops) == 0 {
		return document, notes, err
	}
	injected, err := apply(raw, ops)
	if err != nil {
		return nil, nil, err
	}
	text, err := yaml.JSONToYAML(injected)
	return text, notes, err
}

// object is as much of any object as is needed to find the pod in it.
type object struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Items           []json.RawMessage `json:"items"`
}

func (o *object) String() string {
	if o.Metadata.Namespace == "" {
		return o.Kind + " " + o.Metadata.Name
	}
	return o.Kind + " " + o.Metadata.Namespace + "/" + o.Metadata.Name
}

// objectPatch is the patch of an object that stands at the pointer of its
// document.
func objectPatch(raw []byte, pointer string, in *Input) (ops []jsonpatch.Operation, notes []string, err error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, nil, fmt.Errorf("read object: %w", err)
	}
	if o.APIVersion == "v1" && o.Kind == "List" {
		for i, item := range o.Items {
			itemOps, itemNotes, err := objectPatch(item, fmt.Sprintf("%s/items/%d", pointer, i), in)
			if err != nil {
				return nil, nil, err
			}
			ops, notes = append(ops, itemOps...), append(notes, itemNotes...)
		}
		return ops, notes, nil
	}
	template, ok := templates[o.APIVersion+"/"+o.Kind]
	if !ok {
		return nil, nil, nil
	}
	result, err := templatePatch(raw, template, &o, in)
	if err != nil {
		return nil, nil, fmt.Errorf("inject %s: %w", &o, err)
	}
	for _, op := range result.Patch {
		op.Path = pointer + template + op.Path
		ops = append(ops, op)
	}
	if result.Skipped != "" {
		notes = append(notes, fmt.Sprintf("%s is left as it is: %s", &o, result.Skipped))
	}
	for _, warning := range result.Warnings {
		notes = append(notes, fmt.Sprintf("%s: %s", &o, warning))
	}
	return ops, notes, nil
}

func templatePatch(raw []byte, template string, o *object, in *Input) (Result, error) {
	var node any
	if err := json.Unmarshal(raw, &node); err != nil {
		return Result{}, err
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		if step == "" {
			continue
		}
		parent, _ := node.(map[string]any)
		if node = parent[step]; node == nil {
			return Result{}, fmt.Errorf("%s is missing", strings.ReplaceAll(template[1:], "/", "."))
		}
	}
	part, err := json.Marshal(node)
	if err != nil {
		return Result{}, err
	}
	var pod corev1.Pod
	if err := json.Unmarshal(part, &pod); err != nil {
		return Result{}, err
	}
	if template != "" {
		// The controller's pods have no name yet; they are known by its own.
		pod.Name = o.Metadata.Name
	}
	own := *in
	if o.Metadata.Namespace != "" {
		own.Namespace = o.Metadata.Namespace
	}
	result, err := Patch(&pod, &own)
	if metadata, _ := node.(map[string]any); metadata["metadata"] == nil && len(result.Patch) > 0 {
		// A template may do without metadata; a pod at the API server never.
		result.Patch = append([]jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata", map[string]any{})}, result.Patch...)
	}
	return result, err
}

// apply does what the API server does with a webhook's patch.
func apply(raw []byte, ops []jsonpatch.Operation) ([]byte, error) {
	data, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("write patch: %w", err)
	}
	patch, err := jsonpatchapply.DecodePatch(data)
	if err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	out, err := patch.Apply(raw)
	if err != nil {
		return nil, fmt.Errorf("apply patch: %w", err)
	}
	return out, nil
}
