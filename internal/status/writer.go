package status

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/log"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/metrics"
)

const (
	// settle is how long an object must have been quiet before it is written:
	// what one change sets off arrives in pieces.
	settle = 500 * time.Millisecond
	// writesPerSecond and burst bound what a change of everything costs.
	writesPerSecond = 20
	burst           = 50
	// fieldManager names us in managedFields.
	fieldManager = "meshwright-status"
)

// groups are the kinds that get conditions.
var groups = map[mesh.Kind]string{
	mesh.KindVirtualService:     "networking.istio.io",
	mesh.KindDestinationRule:    "networking.istio.io",
	mesh.KindGateway:            "networking.istio.io",
	mesh.KindSidecar:            "networking.istio.io",
	mesh.KindPeerAuthentication: "security.istio.io",
}

// Config is what a Writer needs.
type Config struct {
	REST *rest.Config
	// Namespace holds the Lease: the mesh's own.
	Namespace string
	// Identity is this process among those that want to write; it must be unique.
	Identity string
	Log      logr.Logger
	Registry prometheus.Registerer
}

// Object is what became of one object, as the source tells.
type Object struct {
	Key        mesh.Key
	Gone       bool
	Generation int64
	Problems   []mesh.Problem
	// Conditions are those that the object has.
	Conditions []mesh.Condition
}

// Writer keeps conditions up to date. Its methods may be called concurrently;
// all but Run return at once.
type Writer struct {
	// Set by New and read-only afterwards.
	config  Config
	log     logr.Logger
	client  client.Client
	leases  kubernetes.Interface
	limiter *rate.Limiter
	writes  *prometheus.CounterVec

	mu      sync.Mutex
	objects map[mesh.Key]*record
	// queue is nil while another process writes.
	queue workqueue.TypedRateLimitingInterface[mesh.Key]
}

// record is all that is known of one object.
type record struct {
	generation int64
	own        []mesh.Problem
	conditions []mesh.Condition
	derived    *mesh.Problems
	// there is false while only derived Problems were heard of.
	there bool
}

// New makes a Writer; nothing is written before Run.
func New(config Config) (*Writer, error) {
	leases, err := kubernetes.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	objects, err := client.New(config.REST, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &Writer{
		config: config, log: config.Log, client: objects, leases: leases,
		limiter: rate.NewLimiter(writesPerSecond, burst),
		writes: promauto.With(config.Registry).NewCounterVec(prometheus.CounterOpts{
			Name: metrics.Namespace + "_status_writes_total", Help: "Writes of conditions to users' objects, by outcome.",
		}, []string{metrics.LabelResult}),
		objects: map[mesh.Key]*record{},
	}, nil
}

// Observe takes what the source found; kinds that get no conditions are passed
// over.
func (w *Writer) Observe(objects []Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range objects {
		if groups[o.Key.Kind] == "" {
			continue
		}
		if o.Gone {
			delete(w.objects, o.Key)
			continue
		}
		r := w.record(o.Key)
		r.there, r.generation, r.own, r.conditions = true, o.Generation, o.Problems, o.Conditions
		w.enqueue(o.Key)
	}
}

// Derived takes the derived Problems that changed, by the key of
// mesh.ProblemsKey; nil for none any more. It has the form of the engine's
// OnProblems.
func (w *Writer) Derived(changed map[mesh.Key]*mesh.Problems) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, problems := range changed {
		kind, name, ok := strings.Cut(key.Name, "/")
		object := mesh.Key{Kind: mesh.Kind(kind), Namespace: key.Namespace, Name: name}
		if !ok || groups[object.Kind] == "" || problems == nil && w.objects[object] == nil {
			continue
		}
		r := w.record(object)
		r.derived = problems
		if problems == nil && !r.there {
			delete(w.objects, object)
		}
		w.enqueue(object)
	}
}

func (w *Writer) record(key mesh.Key) *record {
	r := w.objects[key]
	if r == nil {
		r = &record{}
		w.objects[key] = r
	}
	return r
}

// enqueue is called with the lock held.
func (w *Writer) enqueue(key mesh.Key) {
	if w.queue != nil {
		w.queue.AddAfter(key, settle)
	}
}

// want is what an object's conditions should be; ok is false if nothing is to
// be written for now.
func (w *Writer) want(key mesh.Key) (want []mesh.Condition, generation int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.objects[key]
	if r == nil || !r.there {
		return nil, 0, false
	}
	problems := slices.Clone(r.own)
	// The derived Problems of an older generation may be mended by the new one;
	// those of the new one will come.
	if r.derived != nil && r.derived.Generation == r.generation {
		problems = append(problems, r.derived.List...)
	}
	want = desired(r.generation, problems)
	return want, r.generation, !same(r.conditions, want)
}

// lead writes until ctx ends: the process is elected.
func (w *Writer) lead(ctx context.Context) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[mesh.Key](time.Second, time.Minute))
	w.mu.Lock()
	w.queue = queue
	for key := range w.objects {
		queue.AddAfter(key, settle)
	}
	w.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		w.queue = nil
		w.mu.Unlock()
		queue.ShutDown()
	})
	defer stop()
	for {
		key, down := queue.Get()
		if down {
			return
		}
		err := w.write(ctx, key)
		switch {
		case err == nil:
			queue.Forget(key)
		case apierrors.IsConflict(err):
			// Somebody else wrote: look again.
			queue.AddAfter(key, settle)
		case ctx.Err() == nil:
			w.log.Error(err, "Status is not written yet", log.Kind, key.Kind, log.Object, key.Namespace+"/"+key.Name)
			queue.AddRateLimited(key)
		}
		queue.Done(key)
	}
}

// write brings one object's conditions up to date.
func (w *Writer) write(ctx context.Context, key mesh.Key) error {
	want, generation, ok := w.want(key)
	if !ok {
		return nil
	}
	if err := w.limiter.Wait(ctx); err != nil {
		return fmt.Errorf("wait for a turn to write: %w", err)
	}
	mapping, err := w.client.RESTMapper().RESTMapping(schema.GroupKind{Group: groups[key.Kind], Kind: string(key.Kind)})
	if err != nil {
		return fmt.Errorf("find kind %s: %w", key.Kind, err)
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(mapping.GroupVersionKind)
	err = w.client.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: key.Name}, u)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", key, err)
	case u.GetGeneration() != generation:
		// A newer one will be observed, and judged then.
		return nil
	}
	list, changed := merge(u, want, time.Now())
	if !changed {
		return nil
	}
	err = w.patch(ctx, u, list)
	result := metrics.ResultOK
	if err != nil {
		result = metrics.ResultError
	}
	w.writes.WithLabelValues(result).Inc()
	return err
}

// patch writes the list if nobody wrote the object since it was read.
func (w *Writer) patch(ctx context.Context, u *unstructured.Unstructured, list []any) error {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": u.GetResourceVersion()},
		"status":   map[string]any{"conditions": list, "observedGeneration": u.GetGeneration()},
	})
	if err != nil {
		return fmt.Errorf("write a patch: %w", err)
	}
	err = w.client.Status().Patch(ctx, u, client.RawPatch(types.MergePatchType, body), client.FieldOwner(fieldManager))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write conditions of %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return nil
}
