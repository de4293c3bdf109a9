package ingest

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/internal/ingest/istio"
	"github.com/meshwright/meshwright/internal/ingest/kube"
	"github.com/meshwright/meshwright/internal/mesh"
)

// Result is what one object means.
type Result struct {
	Key mesh.Key
	// Value is nil if the object has no effect: refused, of a kind that is not
	// served, or of no interest to the mesh.
	Value    mesh.Value
	Problems []mesh.Problem
}

// Object reads one object: those of Kubernetes by their Go types, those of
// Istio's API as unstructured, in any version. domain is the cluster's DNS
// suffix. ok is false for objects that the mesh does not know.
func Object(domain string, object runtime.Object) (out Result, ok bool) {
	switch o := object.(type) {
	case *corev1.Service:
		return result(mesh.KindService, o, kube.Service(domain, o)), true
	case *discoveryv1.EndpointSlice:
		return result(mesh.KindEndpointSlice, o, kube.EndpointSlice(o)), true
	case *corev1.Pod:
		return result(mesh.KindWorkload, o, kube.Workload(o)), true
	case *corev1.Node:
		return result(mesh.KindNode, o, kube.Node(o)), true
	case *corev1.Secret:
		value, problems := kube.Credential(o)
		out := result(mesh.KindCredential, o, value)
		out.Problems = problems
		return out, true
	case *unstructured.Unstructured:
		out.Key, out.Value, out.Problems, ok = istio.Object(domain, o)
		return out, ok
	default:
		return Result{}, false
	}
}

type named interface {
	GetNamespace() string
	GetName() string
}

// result avoids that a nil pointer becomes a Value that is not nil.
func result[V interface {
	comparable
	mesh.Value
}](kind mesh.Kind, o named, value V) Result {
	out := Result{Key: mesh.Key{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}}
	var none V
	if value != none {
		out.Value = value
	}
	return out
}
