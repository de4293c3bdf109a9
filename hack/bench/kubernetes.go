package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// writers is how many objects are created at once when a mesh is loaded.
const writers = 16

// resources are the plural names of the kinds that a mesh has.
var resources = map[string]string{
	"Namespace": "namespaces", "Node": "nodes", "Pod": "pods", "Service": "services", "EndpointSlice": "endpointslices",
	"VirtualService": "virtualservices", "DestinationRule": "destinationrules", "PeerAuthentication": "peerauthentications",
}

// cluster writes objects to an API server.
type cluster struct{ client dynamic.Interface }

func newCluster(config *rest.Config) (*cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	return &cluster{client}, nil
}

// of is the client for an object's kind and namespace.
func (c *cluster) of(o object) dynamic.ResourceInterface {
	kind := o.GetObjectKind().GroupVersionKind()
	resource := c.client.Resource(schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: resources[kind.Kind]})
	if o.GetNamespace() == "" {
		return resource
	}
	return resource.Namespace(o.GetNamespace())
}

// create makes one object, with its status if it is a pod.
func (c *cluster) create(ctx context.Context, o object) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return fmt.Errorf("convert %s: %w", name(o), err)
	}
	made, err := c.of(o).Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create %s: %w", name(o), err)
	}
	if _, pod := o.(*corev1.Pod); pod {
		made.Object["status"] = fields["status"]
		if _, err := c.of(o).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("update the status of %s: %w", name(o), err)
		}
	}
	return nil
}

// load creates objects, many at once; namespaces come first.
func (c *cluster) load(ctx context.Context, objects []object) error {
	for _, namespaces := range []bool{true, false} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(writers)
		for _, o := range objects {
			if _, namespace := o.(*corev1.Namespace); namespace == namespaces {
				group.Go(func() error { return c.create(ctx, o) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// apply makes changes one after the other: a merge patch for what is there.
func (c *cluster) apply(ctx context.Context, changes []change) error {
	for _, ch := range changes {
		o := ch.object
		if ch.deleted {
			if err := c.of(o).Delete(ctx, o.GetName(), metav1.DeleteOptions{}); err != nil {
				return fmt.Errorf("delete %s: %w", name(o), err)
			}
			continue
		}
		patch, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", name(o), err)
		}
		_, err = c.of(o).Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			err = c.create(ctx, o)
		}
		if err != nil {
			return fmt.Errorf("change %s: %w", name(o), err)
		}
	}
	return nil
}

func name(o object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + " " + o.GetNamespace() + "/" + o.GetName()
}

// given is a server that runs already, and the API server that it reads.
func given(kubeconfig, address string, pid int) (*target, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	c, err := newCluster(config)
	if err != nil {
		return nil, err
	}
	return &target{
		apply: c.apply, load: c.load, address: address, server: process(pid),
		settings: "a server that was running, with its API server", stop: func() error { return nil },
	}, nil
}

// discovery starts an API server of its own and `meshwright discovery` with it.
// The mesh is there before discovery is.
func discovery(ctx context.Context, log io.Writer, binary string, m *meshOf) (_ *target, err error) {
	api, err := apiserver.Open(apiserver.WithIstioCRDs(), apiserver.WithFlag("service-cluster-ip-range", "10.96.0.0/12"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, api.Close())
		}
	}()
	c, err := newCluster(api.Config)
	if err != nil {
		return nil, err
	}
	if err := c.load(ctx, m.objects()); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := startChild(log, exec.Command(binary, "discovery", //nolint:gosec,noctx // the caller's choice; stopped by its id
		"--kubeconfig="+api.Kubeconfig, "--plaintext-xds-address="+address))
	if err != nil {
		return nil, err
	}
	t := &target{
		apply: c.apply, load: c.load, address: address, server: process(server.command.Process.Pid),
		settings: binary + " discovery with a bare API server; times begin before the request to the API server",
		stop:     func() error { return errors.Join(server.stop(), api.Close()) },
	}
	if err := awaitRest(ctx, address, t.server, server.failure); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	return t, nil
}
