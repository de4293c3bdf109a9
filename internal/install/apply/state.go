package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// State is how an applied object does.
type State struct {
	Ref Ref
	// Ready is true when nothing is missing. Failed is true when nothing will
	// come without a person.
	Ready, Failed bool
	// Message says what is missing; empty when Ready.
	Message string
	// Serving is true for a Deployment with a pod that is available.
	Serving bool
	// ReadyPods and DesiredPods are a Deployment's.
	ReadyPods, DesiredPods int32
	// AddressPending is true for a load balancer without an address, which
	// does not take Ready from it; Addresses are those that it has.
	AddressPending bool
	Addresses      []string
	Created        time.Time
}

// StateOf reads an object from the API server's cache and judges it. One that
// is not there is not ready.
func (a *Applier) StateOf(ctx context.Context, ref Ref) (State, error) {
	return Look(ctx, a.cached, ref)
}

// Look reads an object and judges it. One that is not there is not ready.
func Look(ctx context.Context, reader client.Reader, ref Ref) (State, error) {
	stored := ref.Named()
	if err := reader.Get(ctx, ref.key(), stored); err != nil {
		if apierrors.IsNotFound(err) {
			return State{Ref: ref, Message: "is not there"}, nil
		}
		return State{}, fmt.Errorf("read %s: %w", ref, err)
	}
	return judge(stored)
}

// judge is the state of an object as stored.
func judge(o *unstructured.Unstructured) (State, error) {
	s := State{Ref: RefOf(o), Created: o.GetCreationTimestamp().Time}
	result, err := status.Compute(o)
	if err != nil {
		return s, fmt.Errorf("judge %s: %w", s.Ref, err)
	}
	s.Ready, s.Failed = result.Status == status.CurrentStatus, result.Status == status.FailedStatus
	if !s.Ready {
		s.Message = result.Message
	}
	switch o.GetKind() {
	case "Deployment":
		s.ReadyPods, s.DesiredPods = number(o, "status", "readyReplicas"), number(o, "spec", "replicas")
		s.Serving = number(o, "status", "availableReplicas") > 0
		// kstatus does not ask for the pods' readiness beyond availability.
		if s.Ready && s.ReadyPods < s.DesiredPods {
			s.Ready, s.Message = false, fmt.Sprintf("%d of %d pods are ready", s.ReadyPods, s.DesiredPods)
		}
	case "Service":
		s.address(o)
	case "MutatingWebhookConfiguration":
		s.bundle(o)
	}
	return s, nil
}

func (s *State) address(o *unstructured.Unstructured) {
	if kind, _, _ := unstructured.NestedString(o.Object, "spec", "type"); kind != "LoadBalancer" {
		return
	}
	ingress, _, _ := unstructured.NestedSlice(o.Object, "status", "loadBalancer", "ingress")
	for _, i := range ingress {
		entry, _ := i.(map[string]any)
		for _, k := range []string{"ip", "hostname"} {
			if address, ok := entry[k].(string); ok {
				s.Addresses = append(s.Addresses, address)
			}
		}
	}
	s.AddressPending = len(s.Addresses) == 0
}

// bundle asks for a caBundle in each webhook: without it the API server cannot
// call the injector, and refuses pods.
func (s *State) bundle(o *unstructured.Unstructured) {
	webhooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
	for _, w := range webhooks {
		webhook, _ := w.(map[string]any)
		if bundle, _, _ := unstructured.NestedString(webhook, "clientConfig", "caBundle"); bundle == "" {
			s.Ready, s.Message = false, "the injector has not written its caBundle yet"
		}
	}
}

func number(o *unstructured.Unstructured, fields ...string) int32 {
	n, _, _ := unstructured.NestedInt64(o.Object, fields...)
	return int32(n)
}
