package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/meshwright/meshwright/internal/mesh"
)

// namespaceFeed is the name by which the queue waits for the list of namespaces.
const namespaceFeed = "namespaces"

var namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// Scope says which namespaces belong to a mesh. The zero value is all of them.
type Scope struct {
	// Selectors select namespaces by label; one that matches is enough. Without
	// any, all namespaces belong to the mesh.
	Selectors []labels.Selector
	// Own namespaces belong to it whatever their labels are.
	Own []string
}

// fence keeps from the queue what is in no namespace of the mesh. It knows the
// last event of every object, inside and outside, so that a namespace whose
// labels change comes in or goes out as a whole, with nothing read again. A
// value inside is the store's own. Where all namespaces belong to the mesh it
// remembers nothing. It implements cache.ReflectorStore: its
// reflector brings the namespaces.
type fence struct {
	// Set by newFence and read-only afterwards.
	scope Scope
	queue *queue

	mu sync.Mutex
	// inside are the namespaces of the mesh that were seen.
	inside map[string]bool
	events map[string]map[mesh.Key]Event
}

func newFence(scope Scope, q *queue) *fence {
	f := &fence{scope: scope, queue: q, inside: map[string]bool{}, events: map[string]map[mesh.Key]Event{}}
	for _, namespace := range scope.Own {
		f.inside[namespace] = true
	}
	return f
}

// open reports whether all namespaces belong to the mesh.
func (f *fence) open() bool { return len(f.scope.Selectors) == 0 }

// has reports whether a namespace belongs to the mesh.
func (f *fence) has(namespace string) bool {
	if f.open() {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inside[namespace]
}

// add hands an event on if it is about something inside.
func (f *fence) add(e Event) {
	namespace := e.Key.Namespace
	if f.open() || namespace == "" {
		f.queue.add(e)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events[namespace]
	switch {
	case !e.Gone && events == nil:
		f.events[namespace] = map[mesh.Key]Event{e.Key: e}
	case !e.Gone:
		events[e.Key] = e
	case len(events) == 1:
		delete(f.events, namespace)
	default:
		delete(events, e.Key)
	}
	if f.inside[namespace] {
		f.queue.add(e)
	}
}

// move puts a namespace inside or outside, with all that is in it.
func (f *fence) move(namespace string, inside bool) {
	inside = inside || slices.Contains(f.scope.Own, namespace)
	if f.inside[namespace] == inside {
		return
	}
	if inside {
		f.inside[namespace] = true
	} else {
		delete(f.inside, namespace)
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.events[namespace]), mesh.Key.Compare) {
		e := f.events[namespace][key]
		if !inside {
			e = Event{Key: key, Gone: true}
		}
		f.queue.add(e)
	}
}

func (f *fence) selects(set map[string]string) bool {
	return slices.ContainsFunc(f.scope.Selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(set)) })
}

// Add implements cache.ReflectorStore.
func (f *fence) Add(object any) error { return f.Update(object) }

// Update implements cache.ReflectorStore.
func (f *fence) Update(object any) error {
	m, err := meta.Accessor(object)
	if err != nil {
		return fmt.Errorf("read a namespace's metadata: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.move(m.GetName(), f.selects(m.GetLabels()))
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *fence) Delete(object any) error {
	if o, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = o.Obj
	}
	m, err := meta.Accessor(object)
	if err != nil {
		return fmt.Errorf("read a namespace's metadata: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.move(m.GetName(), false)
	return nil
}

// Replace implements cache.ReflectorStore.
func (f *fence) Replace(list []any, _ string) error {
	selected := map[string]bool{}
	for _, object := range list {
		m, err := meta.Accessor(object)
		if err != nil {
			return fmt.Errorf("read a namespace's metadata: %w", err)
		}
		selected[m.GetName()] = f.selects(m.GetLabels())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for namespace := range f.inside {
		if _, listed := selected[namespace]; !listed {
			selected[namespace] = false
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(selected)) {
		f.move(namespace, selected[namespace])
	}
	f.queue.listed(namespaceFeed)
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *fence) Resync() error { return nil }

// runFence follows the labels of namespaces until ctx ends.
func (s *Source) runFence(ctx context.Context) {
	if s.fence.open() {
		return
	}
	lw := s.metadataListWatch(namespaceResource)
	s.group.Go(func() {
		cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, s.fence,
			cache.ReflectorOptions{Name: namespaceFeed, Logger: &s.log}).RunWithContext(ctx)
	})
}

// InScope reports whether a namespace belongs to the mesh, as far as the source
// has seen.
func (s *Source) InScope(namespace string) bool { return s.fence.has(namespace) }
