package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LeaveAll takes the owner from all that the inventory holds, and last from
// the inventory itself, so that the garbage collector leaves them when the
// owner goes. Nothing else of them changes: an owner of the same name takes
// them over with its next Ensure.
func (a *Applier) LeaveAll(ctx context.Context, inventory *Inventory) error {
	refs := make([]Ref, 0, len(inventory.Entries)+1)
	for _, entry := range inventory.Entries {
		refs = append(refs, entry.Ref)
	}
	for _, ref := range append(refs, a.inventoryRef()) {
		stored := ref.Named()
		if err := a.live.Get(ctx, ref.key(), stored); err != nil {
			if apierrors.IsNotFound(err) {
				continue
			}
			return fmt.Errorf("read %s: %w", ref, err)
		}
		if err := a.Leave(ctx, stored); err != nil {
			return err
		}
		a.memory.forget(ref)
	}
	return nil
}

// Leave takes the owner from an object as it was read.
func (a *Applier) Leave(ctx context.Context, o client.Object) error {
	if !slices.ContainsFunc(o.GetOwnerReferences(), a.isOwner) {
		return nil
	}
	return a.setOwners(ctx, o, slices.DeleteFunc(slices.Clone(o.GetOwnerReferences()), a.isOwner))
}

// Own makes the owner that of an object as it was read, which Ensure does not
// write and which an owner of the same name may have left.
func (a *Applier) Own(ctx context.Context, o client.Object) error {
	if slices.ContainsFunc(o.GetOwnerReferences(), a.isOwner) {
		return nil
	}
	return a.setOwners(ctx, o, a.owner)
}

func (a *Applier) isOwner(reference metav1.OwnerReference) bool {
	return reference.UID == a.owner[0].UID
}

func (a *Applier) setOwners(ctx context.Context, o client.Object, owners []metav1.OwnerReference) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": owners, "resourceVersion": o.GetResourceVersion()}})
	if err != nil {
		return fmt.Errorf("write the owners of %s: %w", o.GetName(), err)
	}
	err = a.writer.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the owners of %s: %w", o.GetName(), err)
	}
	return nil
}
