package source

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
)

// feed is the target of one reflector: it ingests what the reflector reads and
// remembers only which objects there are, and of which version. It implements
// cache.TransformingStore, so that even the first list is never held whole.
type feed struct {
	// Set by newFeed and read-only afterwards.
	name   string
	domain string
	out    *fence
	log    logr.Logger
	// kind is that of bare metadata, which does not say it itself.
	kind schema.GroupVersionKind

	mu       sync.Mutex
	versions map[mesh.Key]string
	// named is the generation, or version, whose Problems were logged last.
	named map[mesh.Key]string
	// closed feeds ignore what a reflector that is being stopped still brings.
	closed bool
}

func newFeed(name, domain string, out *fence, l logr.Logger) *feed {
	return &feed{
		name: name, domain: domain, out: out, log: l,
		versions: map[mesh.Key]string{}, named: map[mesh.Key]string{},
	}
}

// item is one object after ingest. It has the metadata that client-go asks for.
type item struct {
	metav1.ObjectMeta
	event Event
}

// Transformer implements cache.TransformingStore.
func (f *feed) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return f.item(object) }
}

// item ingests an object, or passes on what was ingested already.
func (f *feed) item(object any) (*item, error) {
	switch o := object.(type) {
	case *item:
		return o, nil
	case cache.DeletedFinalStateUnknown:
		return f.item(o.Obj)
	case runtime.Object:
		m, err := meta.Accessor(o)
		if err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
		result, err := f.ingest(o)
		if err != nil {
			return nil, err
		}
		return &item{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.GetNamespace(), Name: m.GetName(), ResourceVersion: m.GetResourceVersion()},
			event: Event{
				Key: result.Key, Value: result.Value, Problems: result.Problems,
				Generation: m.GetGeneration(), Conditions: conditions(o),
			},
		}, nil
	default:
		return nil, fmt.Errorf("ingest %T: not an object", object)
	}
}

// ingest never panics: an object that breaks us stays what it was, or is left
// out, and the rest of the mesh goes on.
func (f *feed) ingest(o runtime.Object) (result ingest.Result, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("ingest %T: %v", o, broken)
		}
	}()
	result, ok := ingest.Object(f.domain, f.ingestible(o))
	if !ok {
		return result, fmt.Errorf("ingest %T: no such kind", o)
	}
	return result, nil
}

// Add implements cache.ReflectorStore.
func (f *feed) Add(object any) error { return f.Update(object) }

// Update implements cache.ReflectorStore.
func (f *feed) Update(object any) error {
	it, err := f.item(object)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(it)
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *feed) Delete(object any) error {
	it, err := f.item(object)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(it.event.Key)
	return nil
}

// Replace implements cache.ReflectorStore: it hands on what differs from what
// was there.
func (f *feed) Replace(list []any, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	present := make(map[mesh.Key]bool, len(list))
	for _, object := range list {
		it, err := f.item(object)
		if err != nil {
			f.log.Error(err, "Object is left out")
			continue
		}
		present[it.event.Key] = true
		f.put(it)
	}
	for key := range f.versions {
		if !present[key] {
			f.remove(key)
		}
	}
	f.out.queue.listed(f.name)
	return nil
}

// Resync implements cache.ReflectorStore. Nothing is ever resynced.
func (f *feed) Resync() error { return nil }

// close removes everything: the kind is gone.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.versions {
		f.remove(key)
	}
	f.closed = true
	f.out.queue.listed(f.name)
}

func (f *feed) put(it *item) {
	key := it.event.Key
	if f.closed || f.versions[key] == it.ResourceVersion {
		return
	}
	f.versions[key] = it.ResourceVersion
	f.tell(it)
	f.out.add(it.event)
}

func (f *feed) remove(key mesh.Key) {
	if _, ok := f.versions[key]; !ok || f.closed {
		return
	}
	delete(f.versions, key)
	delete(f.named, key)
	f.out.add(Event{Key: key, Gone: true})
}

// run reads the kind until ctx ends.
func (f *feed) run(ctx context.Context, lw cache.ListerWatcher, expected any) {
	reflector := cache.NewReflectorWithOptions(lw, expected, f, cache.ReflectorOptions{Name: f.name, Logger: &f.log})
	reflector.RunWithContext(ctx)
}
