package source

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/internal/ingest/istio"
	"github.com/meshwright/meshwright/internal/log"
	"github.com/meshwright/meshwright/internal/mesh"
)

// tell logs the Problems of an object once for each of its generations. A
// security policy that nobody enforces is an error, not a remark.
func (f *feed) tell(it *item) {
	e := it.event
	if len(e.Problems) == 0 {
		delete(f.named, e.Key)
		return
	}
	version := strconv.FormatInt(e.Generation, 10)
	if e.Generation == 0 {
		version = it.ResourceVersion
	}
	if f.named[e.Key] == version {
		return
	}
	f.named[e.Key] = version
	for _, p := range e.Problems {
		l := f.log.WithValues(log.Kind, e.Key.Kind, log.Object, e.Key.Namespace+"/"+e.Key.Name,
			log.Reason, p.Reason, log.Field, p.Field, log.Message, p.Message, log.Generation, e.Generation)
		switch {
		case istio.Guards(string(e.Key.Kind)):
			l.Error(nil, "Security policy is not enforced")
		case p.Refused:
			l.Info("Object is refused")
		case p.Unserved:
			l.Info("Object is not served in full")
		default:
			l.Info("Object is suspicious")
		}
	}
}

// ingestible turns the bare metadata of a kind that is not served into what
// ingest reads.
func (f *feed) ingestible(o runtime.Object) runtime.Object {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return o
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(f.kind)
	u.SetNamespace(m.Namespace)
	u.SetName(m.Name)
	return u
}

// conditions reads status.conditions of Istio's kinds, leniently: others write
// there too, and Istio writes numbers as text.
func conditions(o runtime.Object) []mesh.Condition {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	var out []mesh.Condition
	for _, entry := range list {
		c, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		text := func(name string) string { s, _ := c[name].(string); return s }
		condition := mesh.Condition{Type: text("type"), Status: text("status"), Reason: text("reason"), Message: text("message")}
		switch n := c["observedGeneration"].(type) {
		case int64:
			condition.ObservedGeneration = n
		case string:
			condition.ObservedGeneration, _ = strconv.ParseInt(n, 10, 64)
		}
		out = append(out, condition)
	}
	return out
}
