package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// ConflictError is an object that we would make, and that exists as somebody
// else's.
type ConflictError struct {
	Ref Ref
	// Managers are the field managers that wrote it.
	Managers []string
	// Owner is the controller that keeps it; empty when there is none, and the
	// object may be adopted.
	Owner string

	uid types.UID
}

// Adopted is an object that was taken over, and who managed it before.
type Adopted struct {
	Object   *unstructured.Unstructured
	Managers []string
}

// Error names the object and whose it is.
func (e *ConflictError) Error() string {
	text := fmt.Sprintf("%s exists and belongs to somebody else", e.Ref)
	switch {
	case e.Owner != "":
		text += ": " + e.Owner
	case len(e.Managers) > 0:
		text += ": " + strings.Join(e.Managers, ", ")
	}
	return text
}

func conflictOf(o *unstructured.Unstructured) *ConflictError {
	e := &ConflictError{Ref: RefOf(o), Managers: managersOf(o), uid: o.GetUID()}
	if owner := metav1.GetControllerOf(o); owner != nil {
		e.Owner = owner.Kind + " " + owner.Name
	}
	return e
}

// managersOf are the field managers that wrote more than the status.
func managersOf(o *unstructured.Unstructured) []string {
	var out []string
	for _, f := range o.GetManagedFields() {
		if f.Subresource == "" {
			out = append(out, f.Manager)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Foreign reports whether one of the objects exists and belongs to somebody
// else. Those in the inventory are not looked at.
func (a *Applier) Foreign(ctx context.Context, inventory *Inventory, objects []*unstructured.Unstructured) (bool, error) {
	for _, o := range objects {
		if inventory.Find(RefOf(o)) != (Entry{}) {
			continue
		}
		err := a.mayTake(ctx, RefOf(o))
		var conflict *ConflictError
		if errors.As(err, &conflict) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// mayTake is a ConflictError for an object that exists and is not ours.
func (a *Applier) mayTake(ctx context.Context, ref Ref) error {
	stored := ref.Named()
	if err := a.live.Get(ctx, ref.key(), stored); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("read %s: %w", ref, err)
	}
	if !a.ours(stored) {
		return conflictOf(stored)
	}
	return nil
}
