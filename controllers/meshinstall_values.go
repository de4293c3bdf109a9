package controllers

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// valuesRetry is how often the objects of spec.valuesFrom are read: they are
// not ours, so they are not among what is watched.
const valuesRetry = time.Minute

// values reads what spec.valuesFrom leads to.
func (r *Reconciler) values(ctx context.Context, s *scope) error {
	spec := s.install.Spec
	if s.values != nil {
		return nil // they were given
	}
	s.values = make([]string, len(spec.ValuesFrom))
	if !slices.Contains(r.MeshNamespaces, spec.Namespace) {
		return nil // permit refuses it, and says how to mend it
	}
	for i, from := range spec.ValuesFrom {
		text, err := r.valuesIn(ctx, spec.Namespace, from)
		switch {
		case apierrors.IsForbidden(err):
			return r.mayNotRead(i, spec.Namespace, from)
		case apierrors.IsNotFound(err):
			return &Stalled{Reason: v1alpha1.ReasonValuesNotFound, Unwatched: true,
				Message: fmt.Sprintf("spec.valuesFrom[%d].name: there is no %s %s in namespace %s; create it", i, from.Kind, from.Name, spec.Namespace)}
		case err != nil:
			return fmt.Errorf("read %s %s/%s: %w", from.Kind, spec.Namespace, from.Name, err)
		case text == nil:
			return &Stalled{Reason: v1alpha1.ReasonValuesNotFound, Unwatched: true,
				Message: fmt.Sprintf("spec.valuesFrom[%d].key: %s %s/%s has no key %q", i, from.Kind, spec.Namespace, from.Name, from.Key)}
		}
		s.values[i] = *text
	}
	return nil
}

// valuesIn is the text under the key, or nil where there is no such key.
func (r *Reconciler) valuesIn(ctx context.Context, namespace string, from v1alpha1.ValuesSource) (*string, error) {
	o := ofKind(schema.GroupVersionKind{Version: "v1", Kind: string(from.Kind)})
	if err := r.Clients.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: from.Name}, o); err != nil {
		return nil, err
	}
	text, found, err := unstructured.NestedString(o.Object, "data", from.Key)
	if !found || err != nil {
		return nil, err
	}
	if from.Kind == v1alpha1.ValuesFromSecret {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	return &text, nil
}

// mayNotRead says what an administrator would apply. The operator has no right
// to read Secrets, the CA's key among them, until it is given it one by one.
func (r *Reconciler) mayNotRead(i int, namespace string, from v1alpha1.ValuesSource) error {
	var manifest bytes.Buffer
	if err := plan.WriteYAML(&manifest, plan.ReadAccess(r.OperatorNamespace, namespace, from)); err != nil {
		return err
	}
	return &Stalled{Reason: v1alpha1.ReasonValuesForbidden, Unwatched: true, Message: fmt.Sprintf(
		"spec.valuesFrom[%d]: the operator may not read %s %s/%s; an administrator applies this:\n%s", i, from.Kind, namespace, from.Name, manifest.String())}
}
