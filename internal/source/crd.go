package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/meshwright/meshwright/internal/ingest/istio"
	"github.com/meshwright/meshwright/internal/log"
)

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// crdFeed is the name by which the queue waits for the list of CRDs.
const crdFeed = "customresourcedefinitions"

// retryKind is how long after its CRD was seen a kind that is not served yet is
// tried again: the API server needs a moment, and says nothing when it is done.
const retryKind = time.Second

// crds is the target of the reflector that watches CRDs: the set of those whose
// kinds are Istio's.
type crds struct {
	changed chan struct{}

	mu      sync.Mutex
	present map[string]bool
	listed  bool
}

func newCRDs() *crds { return &crds{changed: make(chan struct{}, 1), present: map[string]bool{}} }

func (c *crds) set(object any, there bool) error {
	if o, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = o.Obj
	}
	m, err := meta.Accessor(object)
	if err != nil {
		return fmt.Errorf("read a CRD's metadata: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// One that is being deleted serves no more.
	c.present[m.GetName()] = there && m.GetDeletionTimestamp() == nil
	c.signal()
	return nil
}

func (c *crds) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Add implements cache.ReflectorStore.
func (c *crds) Add(object any) error { return c.set(object, true) }

// Update implements cache.ReflectorStore.
func (c *crds) Update(object any) error { return c.set(object, true) }

// Delete implements cache.ReflectorStore.
func (c *crds) Delete(object any) error { return c.set(object, false) }

// Resync implements cache.ReflectorStore.
func (c *crds) Resync() error { return nil }

// Replace implements cache.ReflectorStore.
func (c *crds) Replace(list []any, _ string) error {
	present := make(map[string]bool, len(list))
	for _, object := range list {
		m, err := meta.Accessor(object)
		if err != nil {
			return fmt.Errorf("read a CRD's metadata: %w", err)
		}
		present[m.GetName()] = m.GetDeletionTimestamp() == nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present, c.listed = present, true
	c.signal()
	return nil
}

// has reports whether the CRD of a kind exists, once the list is in.
func (c *crds) has(k istio.Kind) (there, listed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present[k.Resource+"."+k.Group], c.listed
}

// runningKind is a kind of Istio's that is being read.
type runningKind struct {
	feed *feed
	stop context.CancelFunc
}

// runIstio starts and stops a feed for each kind of Istio's as its CRD comes
// and goes, until ctx ends.
func (s *Source) runIstio(ctx context.Context) {
	present := newCRDs()
	lw := s.metadataListWatch(crdResource)
	s.group.Go(func() {
		cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, present,
			cache.ReflectorOptions{Name: crdFeed, Logger: &s.log}).RunWithContext(ctx)
	})
	running := map[istio.Kind]runningKind{}
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-present.changed:
		case <-retry:
		}
		retry = nil
		if again := s.matchKinds(ctx, present, running); again {
			retry = time.After(retryKind)
		}
	}
}

// matchKinds makes running what present says; again is true if a CRD is there
// whose kind could not be started yet.
func (s *Source) matchKinds(ctx context.Context, present *crds, running map[istio.Kind]runningKind) (again bool) {
	failed := false
	listed := false
	for _, kind := range istio.Kinds {
		var there bool
		there, listed = present.has(kind)
		r, on := running[kind]
		switch {
		case there && !on:
			started, err := s.startKind(ctx, kind)
			if err != nil {
				s.log.Error(err, "Kind cannot be read yet", log.Kind, kind.Kind)
				failed = true
			}
			if started.feed == nil {
				again = true
				continue
			}
			running[kind] = started
		case !there && on:
			s.log.Info("Kind is gone", log.Kind, kind.Kind)
			r.stop()
			r.feed.close()
			delete(running, kind)
		}
	}
	// What discovery did not serve is not waited for, what it did not answer is.
	if listed && !failed {
		s.queue.listed(crdFeed)
	}
	return again
}

// startKind starts to read a kind; the feed is nil if no version is served yet.
func (s *Source) startKind(ctx context.Context, kind istio.Kind) (runningKind, error) {
	version, err := s.servedVersion(kind)
	if err != nil || version == "" {
		return runningKind{}, err
	}
	resource := schema.GroupVersionResource{Group: kind.Group, Version: version, Resource: kind.Resource}
	ctx, stop := context.WithCancel(ctx)
	f := newFeed(kind.Resource+"."+kind.Group, s.config.ClusterDomain, s.fence, s.log)
	s.queue.wait(f.name)
	s.log.Info("Kind is there", log.Kind, kind.Kind, log.Version, version)
	lw, expected := s.dynamicListWatch(resource), runtime.Object(&unstructured.Unstructured{})
	if !kind.Served {
		// Such objects are only named, so their content is not read.
		lw, expected = s.metadataListWatch(resource), &metav1.PartialObjectMetadata{}
		f.kind = kind.WithVersion(version)
	}
	s.group.Go(func() { f.run(ctx, lw, expected) })
	return runningKind{feed: f, stop: stop}, nil
}

func (s *Source) servedVersion(kind istio.Kind) (string, error) {
	for _, version := range istio.Versions {
		gv := schema.GroupVersion{Group: kind.Group, Version: version}.String()
		list, err := s.discovery.ServerResourcesForGroupVersion(gv)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return "", fmt.Errorf("ask for the resources of %s: %w", gv, err)
		}
		for _, r := range list.APIResources {
			if r.Name == kind.Resource {
				return version, nil
			}
		}
	}
	return "", nil
}

func (s *Source) dynamicListWatch(resource schema.GroupVersionResource) cache.ListerWatcher {
	client := s.dynamic.Resource(resource)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}, s.dynamic)
}

func (s *Source) metadataListWatch(resource schema.GroupVersionResource) cache.ListerWatcher {
	client := s.metadata.Resource(resource)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}, s.metadata)
}
