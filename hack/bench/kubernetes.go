package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"

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

// serverOptions are what the API server of a mesh needs.
func serverOptions() []apiserver.Option {
	return []apiserver.Option{apiserver.WithIstioCRDs(), apiserver.WithFlag("service-cluster-ip-range", "10.96.0.0/12")}
}

// discovery starts an API server of its own and `meshwright discovery` with it.
// The mesh is there before discovery is.
func discovery(ctx context.Context, log io.Writer, binary string, m *meshOf) (_ *target, err error) {
	api, err := apiserver.Open(serverOptions()...)
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
	d := &discoveryServer{log: log, binary: binary, kubeconfig: api.Kubeconfig}
	if d.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if d.web, err = freeAddress(); err != nil {
		return nil, err
	}
	t := &target{
		apply: c.apply, load: c.load, address: d.address,
		settings: binary + " discovery with a bare API server; times begin before the request to the API server",
	}
	start := func(ctx context.Context) error {
		err := d.start(ctx)
		if err == nil {
			t.server = d.pid()
		}
		return err
	}
	t.restart = func(ctx context.Context) error {
		if err := d.stop(); err != nil {
			return err
		}
		return start(ctx)
	}
	t.stop = func() error { return errors.Join(d.stop(), api.Close()) }
	return t, start(ctx)
}

// discoveryServer is a process of meshwright discovery.
type discoveryServer struct {
	log                              io.Writer
	binary, kubeconfig, address, web string
	*child
}

// pid is that of the process.
func (d *discoveryServer) pid() process { return process(d.command.Process.Pid) }

// start runs it and waits until it is ready and at rest.
func (d *discoveryServer) start(ctx context.Context) (err error) {
	d.child, err = startChild(d.log, exec.Command(d.binary, "discovery", //nolint:gosec,noctx // the caller's choice; stopped by its id
		"--kubeconfig="+d.kubeconfig, "--plaintext-xds-address="+d.address, "--http-address="+d.web))
	if err != nil {
		return err
	}
	if err = d.awaitReady(ctx); err == nil {
		err = awaitRest(ctx, d.address, d.pid(), d.failure)
	}
	if err != nil {
		return errors.Join(err, d.stop())
	}
	return nil
}

// awaitReady asks until the server says that proxies may come.
func (d *discoveryServer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.web+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask whether the server is ready: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close() // nothing was read
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := d.failure(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the server is ready: %w", ctx.Err())
		case <-time.After(restPoll):
		}
	}
}
