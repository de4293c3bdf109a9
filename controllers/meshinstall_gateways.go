package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// Each gateway has a Service that outlives revisions, which clients know, and
// one of each revision's own, from which discovery learns the ports of its pods.

// installSet is the active revision's. While there are gateways of another
// revision, which may have no routes, be broken, or be ending, the gateways'
// Services lead to one revision alone; at rest they are as the plan has them.
func (s *scope) installSet() []*unstructured.Unstructured {
	if s.active.Revision == s.target.Revision && !s.otherGateways() {
		return s.active.InstallSet
	}
	revision := s.active.Revision
	if s.promoted() || s.begun() && s.decided.Gateways {
		revision = s.target.Revision
	}
	var out []*unstructured.Unstructured
	for _, o := range s.active.InstallSet {
		if isGatewayService(o) {
			o = o.DeepCopy()
			_ = unstructured.SetNestedField(o.Object, revision, "spec", "selector", plan.LabelRevision)
		}
		out = append(out, o)
	}
	return out
}

func isGatewayService(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Service" && strings.HasPrefix(o.GetLabels()[plan.LabelComponent], "gateway-")
}

// otherGateways reports whether the inventory has the own Service of a gateway
// of a revision that does not serve.
func (s *scope) otherGateways() bool {
	var known []apply.Ref
	for _, o := range slices.Concat(s.active.InstallSet, s.active.RevisionSet) {
		if isGatewayService(o) {
			known = append(known, apply.RefOf(o))
		}
	}
	return slices.ContainsFunc(s.inventory.Entries, func(e apply.Entry) bool {
		return e.Kind == "Service" && !slices.Contains(known, e.Ref) && slices.ContainsFunc(known, func(stable apply.Ref) bool {
			return e.Namespace == stable.Namespace && strings.HasPrefix(e.Name, stable.Name+"-")
		})
	})
}

// discoveryOf begins the name of all that is a revision's discovery.
const discoveryOf = "meshwright-discovery-"

// endingGateways are what gateways that are not wanted need until their pods
// have ended, because connections to them are still open: their own Services,
// without which they close their ports, and their revision's discovery, without
// which they do not hear which endpoints have gone. It comes back to them.
func (r *Reconciler) endingGateways(ctx context.Context, s *scope, desired []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	wanted := map[apply.Ref]bool{}
	for _, o := range desired {
		wanted[apply.RefOf(o)] = true
	}
	var ending []*unstructured.Unstructured
	for _, e := range s.inventory.Entries {
		if e.Kind != "Service" || wanted[e.Ref] {
			continue
		}
		service := &unstructured.Unstructured{}
		service.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
		err := r.Clients.Live.Get(ctx, client.ObjectKey{Namespace: e.Namespace, Name: e.Name}, service)
		if apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Ref, err)
		}
		selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
		if !isGatewayService(service) || selector[plan.LabelRevision] == "" {
			continue
		}
		pods := &metav1.PartialObjectMetadataList{}
		pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		if err := r.Clients.Live.List(ctx, pods, client.InNamespace(e.Namespace), client.MatchingLabels(selector), client.Limit(1)); err != nil {
			return nil, fmt.Errorf("list pods in %s: %w", e.Namespace, err)
		}
		if len(pods.Items) > 0 {
			ending = append(append(ending, service), s.discoveryOf(selector[plan.LabelRevision])...)
			s.wakeIn(podPoll)
		}
	}
	return ending, nil
}

// discoveryOf are the names of what the inventory has of a revision's discovery.
func (s *scope) discoveryOf(revision string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, e := range s.inventory.Entries {
		if e.Name == discoveryOf+revision {
			out = append(out, e.Named())
		}
	}
	return out
}
