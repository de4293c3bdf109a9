package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Ref names an object.
type Ref struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// RefOf is the name of an object.
func RefOf(o *unstructured.Unstructured) Ref {
	gvk := o.GroupVersionKind()
	return Ref{gvk.Group, gvk.Version, gvk.Kind, o.GetNamespace(), o.GetName()}
}

// String is the kind and the namespace and name, as people write it.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func (r Ref) key() client.ObjectKey { return client.ObjectKey{Namespace: r.Namespace, Name: r.Name} }

// Named is an object of this name, with nothing in it.
func (r Ref) Named() *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind})
	o.SetNamespace(r.Namespace)
	o.SetName(r.Name)
	return o
}

// Entry is one object that we made, or were about to make.
type Entry struct {
	Ref `json:",inline"`
	// UID is empty from the moment before the object is created until after.
	UID types.UID `json:"uid,omitempty"`
	// Digest is of what we applied, to tell a new wish from drift.
	Digest string `json:"digest,omitempty"`
}

// Inventory is all that an owner remembers between two reconciliations.
type Inventory struct {
	// Active is the revision of the owner that serves, Retired are those that
	// did before, oldest first.
	Active  string
	Retired []string
	// Retained are those of the retired that are kept whole, and since when.
	Retained map[string]time.Time
	// Removing is when the removal of all of it began; zero while it has not.
	Removing time.Time
	// Entries are in the order of their refs' strings.
	Entries []Entry
}

// Find is the entry of an object, or the zero Entry.
func (i *Inventory) Find(ref Ref) Entry {
	for _, e := range i.Entries {
		if e.Ref == ref {
			return e
		}
	}
	return Entry{}
}

func (i *Inventory) put(entry Entry) {
	i.drop(entry.Ref)
	i.Entries = append(i.Entries, entry)
	slices.SortFunc(i.Entries, func(a, b Entry) int { return strings.Compare(a.String(), b.String()) })
}

func (i *Inventory) drop(ref Ref) {
	i.Entries = slices.DeleteFunc(i.Entries, func(e Entry) bool { return e.Ref == ref })
}

// Clone is a copy that shares nothing.
func (i *Inventory) Clone() *Inventory {
	clone := *i
	clone.Retired, clone.Entries, clone.Retained = slices.Clone(i.Retired), slices.Clone(i.Entries), maps.Clone(i.Retained)
	return &clone
}

// Equal reports whether both say the same.
func (i *Inventory) Equal(other *Inventory) bool {
	return i.Active == other.Active && i.Removing.Equal(other.Removing) && maps.EqualFunc(i.Retained, other.Retained, time.Time.Equal) && slices.Equal(i.Retired, other.Retired) && slices.Equal(i.Entries, other.Entries)
}

// LoadInventory reads the inventory, from the API server itself: a cache may
// lag behind what was written a moment ago. One that does not exist is empty.
func (a *Applier) LoadInventory(ctx context.Context) (*Inventory, error) {
	stored := a.inventoryRef().Named()
	if err := a.live.Get(ctx, a.inventory, stored); err != nil {
		if apierrors.IsNotFound(err) {
			return &Inventory{}, nil
		}
		return nil, fmt.Errorf("read inventory %s: %w", a.inventory, err)
	}
	if !a.ours(stored) {
		return nil, &ConflictError{Ref: RefOf(stored)}
	}
	data, _, _ := unstructured.NestedStringMap(stored.Object, "data")
	inventory := &Inventory{Active: data["active"], Retired: strings.Fields(data["retired"])}
	var err error
	if err = json.Unmarshal([]byte(data["objects"]), &inventory.Entries); err != nil {
		return nil, fmt.Errorf("read inventory %s: %w", a.inventory, err)
	}
	if at := data["removing"]; at != "" {
		if inventory.Removing, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, fmt.Errorf("read inventory %s: %w", a.inventory, err)
		}
	}
	if text := data["retained"]; text != "" {
		if err = json.Unmarshal([]byte(text), &inventory.Retained); err != nil {
			return nil, fmt.Errorf("read inventory %s: %w", a.inventory, err)
		}
	}
	return inventory, nil
}

// SaveInventory writes the inventory. Writing one that is stored already
// changes nothing.
func (a *Applier) SaveInventory(ctx context.Context, inventory *Inventory) error {
	raw, err := json.Marshal(inventory.Entries)
	if err != nil {
		return fmt.Errorf("write inventory %s: %w", a.inventory, err)
	}
	stored := a.inventoryRef().Named()
	data := map[string]any{"active": inventory.Active, "retired": strings.Join(inventory.Retired, "\n"), "objects": string(raw)}
	if !inventory.Removing.IsZero() {
		data["removing"] = inventory.Removing.UTC().Format(time.RFC3339)
	}
	if len(inventory.Retained) > 0 {
		retained, err := json.Marshal(inventory.Retained)
		if err != nil {
			return fmt.Errorf("write inventory %s: %w", a.inventory, err)
		}
		data["retained"] = string(retained)
	}
	stored.Object["data"] = data
	stored.SetLabels(a.labels)
	if _, err := a.send(ctx, stored); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}

// DeleteInventory removes the inventory itself, last of all.
func (a *Applier) DeleteInventory(ctx context.Context) error {
	if err := client.IgnoreNotFound(a.writer.Delete(ctx, a.inventoryRef().Named())); err != nil {
		return fmt.Errorf("delete inventory %s: %w", a.inventory, err)
	}
	return nil
}

func (a *Applier) inventoryRef() Ref {
	return Ref{Version: "v1", Kind: "ConfigMap", Namespace: a.inventory.Namespace, Name: a.inventory.Name}
}

// digestOf is the hash of an object as we would apply it.
func digestOf(o *unstructured.Unstructured) (string, error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", RefOf(o), err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}

// ownerReference lets the garbage collector remove what the operator could
// not. It does not block the owner's deletion: the operator waits by itself.
func ownerReference(owner client.Object, gvk schema.GroupVersionKind) []metav1.OwnerReference {
	controller := true
	return []metav1.OwnerReference{{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
		Name: owner.GetName(), UID: owner.GetUID(), Controller: &controller,
	}}
}
