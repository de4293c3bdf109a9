package source

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/meshwright/meshwright/internal/log"
)

// builtin is one kind that every cluster has.
type builtin struct {
	name     string
	client   rest.Interface
	resource string
	// namespace limits the watch; "" is all.
	namespace string
	fields    string
	object    runtime.Object
	// optional kinds are not waited for if we may not read them.
	optional bool
}

// builtins are Kubernetes' own kinds. Pods that have ended are filtered by the
// API server, which sends a deletion when one ends; Secrets are read only in
// the namespaces of gateways.
func builtins(client kubernetes.Interface, credentialNamespaces []string) []builtin {
	core := client.CoreV1().RESTClient()
	out := []builtin{
		{name: "services", client: core, resource: "services", object: &corev1.Service{}},
		{name: "endpointslices", client: client.DiscoveryV1().RESTClient(), resource: "endpointslices", object: &discoveryv1.EndpointSlice{}},
		{name: "pods", client: core, resource: "pods", object: &corev1.Pod{}, fields: "status.phase!=Succeeded,status.phase!=Failed"},
		{name: "nodes", client: core, resource: "nodes", object: &corev1.Node{}},
	}
	for _, namespace := range credentialNamespaces {
		out = append(out, builtin{
			name: "secrets of " + namespace, client: core, resource: "secrets", namespace: namespace, object: &corev1.Secret{}, optional: true,
		})
	}
	return out
}

// listerWatcher reads the kind; forbidden is called when that is not allowed.
func (b builtin) listerWatcher(forbidden func(error)) cache.ListerWatcher {
	lw := cache.NewFilteredListWatchFromClient(b.client, b.resource, b.namespace, func(o *metav1.ListOptions) { o.FieldSelector = b.fields })
	list := lw.ListWithContextFunc
	lw.ListWithContextFunc = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		out, err := list(ctx, o)
		if apierrors.IsForbidden(err) {
			forbidden(err)
		}
		return out, err
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, b.client)
}

// clientset returns a client that speaks protobuf with the API server.
func clientset(config *rest.Config) (kubernetes.Interface, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

func (s *Source) runBuiltins(ctx context.Context) {
	for _, b := range s.builtins {
		f := newFeed(b.name, s.config.ClusterDomain, s.fence, s.log)
		lw := b.listerWatcher(func(err error) {
			s.log.Error(err, "Kind may not be read", log.Kind, b.name)
			if b.optional {
				s.queue.listed(b.name)
			}
		})
		s.group.Go(func() { f.run(ctx, lw, b.object) })
	}
}
