package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is the one manager under which the operator writes.
const FieldManager = "meshwright-operator"

// Memory is what this process knows of objects as it left them. It only saves
// requests: without it, as after a start, each object is applied once more.
// It may be used concurrently.
type Memory struct {
	now  func() time.Time
	mu   sync.Mutex
	left map[Ref]memory
	// corrected has when drift of an object was put right, newest last.
	corrected map[Ref][]time.Time
}

type memory struct {
	digest string
	object map[string]any // without status and bookkeeping
}

// NewMemory is one without memories, with a clock.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, left: map[Ref]memory{}, corrected: map[Ref][]time.Time{}}
}

func (m *Memory) get(ref Ref) (memory, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.left[ref]
	return known, ok
}

func (m *Memory) set(ref Ref, digest string, o *unstructured.Unstructured) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left[ref] = memory{digest, substance(o)}
}

func (m *Memory) forget(ref Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.left, ref)
	delete(m.corrected, ref)
}

// Clients are the ways to the API server.
type Clients struct {
	// Writer writes.
	Writer client.Client
	// Live reads from the API server, Cached from watches that may lag.
	Live, Cached client.Reader
}

// Owner is for whom objects are made.
type Owner struct {
	Object client.Object
	GVK    schema.GroupVersionKind
	// Labels are on every object of this owner, and on no other's.
	Labels map[string]string
	// Inventory is the ConfigMap that holds the inventory.
	Inventory client.ObjectKey
	// Report leaves drift as it is, for the caller to tell.
	Report bool
	// Adopt lets a plan take over what nobody keeps any more.
	Adopt bool
}

// Applier writes the objects of one owner. It may not be used concurrently.
type Applier struct {
	writer       client.Client
	live, cached client.Reader
	memory       *Memory
	owner        []metav1.OwnerReference
	labels       map[string]string
	inventory    client.ObjectKey
	report       bool
	adopt        bool
}

// New makes an Applier.
func New(clients Clients, memory *Memory, owner Owner) *Applier {
	return &Applier{
		writer: clients.Writer, live: clients.Live, cached: clients.Cached, memory: memory,
		owner: ownerReference(owner.Object, owner.GVK), labels: owner.Labels, inventory: owner.Inventory, report: owner.Report, adopt: owner.Adopt,
	}
}

// Change is what one Ensure did beyond what it was asked for the last time.
type Change struct {
	Ref Ref
	// Object is as stored now; nil when nothing was sent.
	Object *unstructured.Unstructured
	// Created is true for an object that was not there.
	Created bool
	// Drift has the paths of fields that somebody else had changed and that
	// are put right; empty when nothing had drifted.
	Drift []string
	// Left is why drift is left as it is; empty when it is put right. By is the
	// field manager that changed the object last, if the API server knows.
	Left Reason
	By   string
}

// Intend puts objects into the inventory and stores it, where it does not
// hold them yet, so that what Ensure then creates is remembered. It returns what
// it adopted; the caller has made sure by Preview that all can be.
func (a *Applier) Intend(ctx context.Context, inventory *Inventory, objects []*unstructured.Unstructured) ([]Adopted, error) {
	before := inventory.Clone()
	var adopted []Adopted
	for _, o := range objects {
		ref := RefOf(o)
		if inventory.Find(ref) != (Entry{}) {
			continue
		}
		entry := Entry{Ref: ref}
		err := a.mayTake(ctx, ref)
		var conflict *ConflictError
		switch {
		case a.adopt && errors.As(err, &conflict) && conflict.Owner == "":
			entry.UID = conflict.uid
			adopted = append(adopted, Adopted{o, conflict.Managers})
		case err != nil:
			return nil, err
		}
		inventory.put(entry)
	}
	if inventory.Equal(before) {
		return nil, nil
	}
	return adopted, a.SaveInventory(ctx, inventory)
}

// ours reports whether an object has our labels.
func (a *Applier) ours(o *unstructured.Unstructured) bool {
	labels := o.GetLabels()
	for k, v := range a.labels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// Ensure makes one object so. It must be in the inventory, whose entry Ensure
// brings up to date without storing it. An object that is as it was left costs
// no request.
func (a *Applier) Ensure(ctx context.Context, inventory *Inventory, desired *unstructured.Unstructured) (Change, error) {
	ref, change := RefOf(desired), Change{Ref: RefOf(desired)}
	desired = desired.DeepCopy()
	desired.SetOwnerReferences(a.owner)
	digest, err := digestOf(desired)
	if err != nil {
		return change, err
	}
	entry := inventory.Find(ref)
	known, remembered := a.memory.get(ref)
	remembered = remembered && known.digest == digest && entry.Digest == digest
	if cached := ref.Named(); remembered && a.cached.Get(ctx, ref.key(), cached) == nil && reflect.DeepEqual(substance(cached), known.object) {
		return change, nil
	}
	// The cache may lag, or the object has lost the labels by which it is
	// watched: only the API server knows.
	before := ref.Named()
	err = a.live.Get(ctx, ref.key(), before)
	missing := apierrors.IsNotFound(err)
	switch {
	case missing:
	case err != nil:
		return change, fmt.Errorf("read %s: %w", ref, err)
	case remembered && reflect.DeepEqual(substance(before), known.object):
		return change, nil
	case !a.ours(before) && entry.UID != before.GetUID():
		return change, conflictOf(before)
	}
	asBefore := entry.Digest == digest
	if asBefore {
		change.By = lastManager(before)
		if change.Left = a.leaves(ref); change.Left != "" {
			return a.look(ctx, change, before, desired)
		}
	}
	after, err := a.send(ctx, desired)
	if err != nil {
		return change, err
	}
	change.Object, change.Created = after, missing
	if asBefore {
		change.Drift = drift(before, after)
		a.memory.correct(ref, change.Drift)
	}
	inventory.put(Entry{Ref: ref, UID: after.GetUID(), Digest: digest})
	a.memory.set(ref, digest, after)
	return change, nil
}

// send applies an object and returns it as stored.
func (a *Applier) send(ctx context.Context, o *unstructured.Unstructured, options ...client.ApplyOption) (*unstructured.Unstructured, error) {
	ref := RefOf(o)
	o.SetOwnerReferences(a.owner)
	options = append(options, client.FieldOwner(FieldManager), client.ForceOwnership)
	if err := a.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), options...); err != nil {
		return nil, fmt.Errorf("apply %s: %w", ref, err)
	}
	return o, nil
}

// Prune deletes what the inventory holds and keep does not, drops it from the
// inventory without storing that, and says what it deleted. The order is the
// reverse of applying by kind: what asks about pods goes first, what it needs last.
func (a *Applier) Prune(ctx context.Context, inventory *Inventory, keep []*unstructured.Unstructured) ([]Ref, error) {
	wanted := map[Ref]bool{}
	for _, o := range keep {
		wanted[RefOf(o)] = true
	}
	var gone []Ref
	for _, entry := range slices.SortedFunc(slices.Values(inventory.Entries), deletionOrder) {
		if wanted[entry.Ref] {
			continue
		}
		deleted, err := a.remove(ctx, entry)
		if err != nil {
			return gone, err
		}
		if deleted {
			gone = append(gone, entry.Ref)
		}
		inventory.drop(entry.Ref)
		a.memory.forget(entry.Ref)
	}
	return gone, nil
}

// remove deletes the very object that we made: one of its name that another
// made later is left alone.
func (a *Applier) remove(ctx context.Context, entry Entry) (bool, error) {
	uid := entry.UID
	if uid == "" {
		stored := entry.Named()
		if err := a.live.Get(ctx, entry.key(), stored); err != nil {
			return false, ignoreGone(err, entry.Ref)
		}
		if !a.ours(stored) {
			return false, nil
		}
		uid = stored.GetUID()
	}
	err := a.writer.Delete(ctx, entry.Named(), client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, ignoreGone(err, entry.Ref)
}

func ignoreGone(err error, ref Ref) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", ref, err)
}

func deletionOrder(a, b Entry) int {
	rank := map[string]int{"MutatingWebhookConfiguration": 0, "MutatingAdmissionPolicyBinding": 0, "MutatingAdmissionPolicy": 1, "Deployment": 2, "Service": 3}
	at := func(e Entry) int {
		if r, ok := rank[e.Kind]; ok {
			return r
		}
		return len(rank)
	}
	return at(a) - at(b)
}

// substance is what there is to an object beside its status and what the API
// server keeps about it.
func substance(o *unstructured.Unstructured) map[string]any {
	out := maps.Clone(o.Object)
	delete(out, "status")
	if metadata, ok := out["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		for _, k := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
			delete(metadata, k)
		}
		out["metadata"] = metadata
	}
	return out
}

// Publish writes an object that is not part of the mesh: it belongs to the
// owner, goes with it, and is not in the inventory. One of that name that is
// somebody else's is a ConflictError.
func (a *Applier) Publish(ctx context.Context, o *unstructured.Unstructured) error {
	if err := a.mayTake(ctx, RefOf(o)); err != nil {
		return err
	}
	o.SetLabels(a.labels)
	_, err := a.send(ctx, o)
	return err
}
