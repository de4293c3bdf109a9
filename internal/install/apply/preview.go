package apply

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Planned is what would become of one object.
type Planned struct {
	Ref Ref
	// Before is the object as stored, nil when it would be created. After is as
	// it would be, nil when it would be deleted. Neither has status or
	// bookkeeping; both are equal when nothing would change.
	Before, After *unstructured.Unstructured
	// Adopts is true for an object of somebody else's that would be ours, By has
	// the field managers that wrote it.
	Adopts bool
	By     []string
}

// Changes reports whether the object would be touched.
func (p Planned) Changes() bool {
	return p.Before == nil || p.After == nil || !reflect.DeepEqual(p.Before.Object, p.After.Object)
}

// Preview says what Ensure of the desired objects and Prune of the rest would
// do. The API server is asked in dry runs, so nothing is written and its
// defaults are in the answer. The order is that of the desired objects, then
// the inventory's.
func (a *Applier) Preview(ctx context.Context, inventory *Inventory, desired []*unstructured.Unstructured) ([]Planned, error) {
	var out []Planned
	wanted := map[Ref]bool{}
	for _, o := range desired {
		wanted[RefOf(o)] = true
		planned, err := a.preview(ctx, inventory, o)
		if err != nil {
			return nil, err
		}
		out = append(out, planned)
	}
	for _, entry := range inventory.Entries {
		if wanted[entry.Ref] {
			continue
		}
		before := entry.Named()
		err := a.live.Get(ctx, entry.key(), before)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", entry.Ref, err)
		case entry.UID == before.GetUID() || entry.UID == "" && a.ours(before):
			out = append(out, Planned{Ref: entry.Ref, Before: quiet(before)})
		}
	}
	return out, nil
}

func (a *Applier) preview(ctx context.Context, inventory *Inventory, desired *unstructured.Unstructured) (Planned, error) {
	ref := RefOf(desired)
	planned := Planned{Ref: ref}
	before := ref.Named()
	err := a.live.Get(ctx, ref.key(), before)
	missing := apierrors.IsNotFound(err)
	switch {
	case missing:
	case err != nil:
		return planned, fmt.Errorf("read %s: %w", ref, err)
	case !a.ours(before) && inventory.Find(ref).UID != before.GetUID():
		conflict := conflictOf(before)
		if !a.adopt || conflict.Owner != "" {
			return planned, conflict
		}
		planned.Adopts, planned.By = true, conflict.Managers
		planned.Before = quiet(before)
	default:
		planned.Before = quiet(before)
	}
	after := desired.DeepCopy()
	after.SetOwnerReferences(a.owner)
	err = a.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(after), client.FieldOwner(FieldManager), client.ForceOwnership, client.DryRunAll)
	var status apierrors.APIStatus
	switch {
	// Its namespace does not exist yet.
	case missing && apierrors.IsNotFound(err):
		after = desired.DeepCopy()
	case errors.As(err, &status) && status.Status().Reason == metav1.StatusReasonForbidden:
		return planned, fmt.Errorf("try %s: %w; a plan needs the right to patch what it is about", ref, err)
	case err != nil:
		return planned, fmt.Errorf("try %s: %w", ref, err)
	}
	planned.After = quiet(after)
	if missing {
		unallocate(planned.After, desired)
	}
	return planned, nil
}

// quiet is a copy without status, bookkeeping and owner.
func quiet(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: substance(o)}
	out = out.DeepCopy()
	out.SetOwnerReferences(nil)
	return out
}

// unallocate takes out of a new Service what the API server would choose anew
// each time it is asked.
func unallocate(o, desired *unstructured.Unstructured) {
	if o.GetKind() != "Service" {
		return
	}
	for _, field := range []string{"clusterIP", "clusterIPs", "healthCheckNodePort"} {
		unstructured.RemoveNestedField(o.Object, "spec", field)
	}
	if ports, found, _ := unstructured.NestedSlice(desired.Object, "spec", "ports"); found {
		_ = unstructured.SetNestedSlice(o.Object, ports, "spec", "ports")
	}
}

// Counts of what a plan would do.
type Counts struct{ Create, Update, Delete, Unchanged, Adopt int }

// Count sums a plan up.
func Count(plan []Planned) Counts {
	var c Counts
	for _, p := range plan {
		if p.Adopts {
			c.Adopt++
		}
		switch {
		case p.Before == nil:
			c.Create++
		case p.After == nil:
			c.Delete++
		case p.Changes():
			c.Update++
		default:
			c.Unchanged++
		}
	}
	return c
}

// sortedByRef is a copy in the order of the objects' names.
func sortedByRef(plan []Planned) []Planned {
	out := slices.Clone(plan)
	slices.SortStableFunc(out, func(a, b Planned) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return out
}
