//go:build e2e

package zlifecycle

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

const route = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: life}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [life.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: life}
spec:
  hosts: [life.example]
  gateways: [life]
  http: [{route: [{destination: {host: app, port: {number: 8080}}}]}]
`

// outside asks the ingress gateway as a browser does.
type outside struct {
	url    string
	client http.Client
}

func (w *world) outside(keepAlive bool) *outside {
	w.Helper()
	service, err := w.Client.CoreV1().Services("mesh-ingress").Get(w.Context(), "meshwright-ingress", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	nodes, err := w.Client.CoreV1().Nodes().List(w.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		w.Fatalf("list nodes: %v, %v", nodes, err)
	}
	o := &outside{client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: !keepAlive}}}
	for _, port := range service.Spec.Ports {
		if port.Port == 80 {
			o.url = fmt.Sprintf("http://%s:%d/", nodes.Items[0].Status.Addresses[0].Address, port.NodePort)
		}
	}
	return o
}

func (o *outside) get(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url, nil)
	if err != nil {
		return err
	}
	request.Host = "life.example"
	response, err := o.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}

// goOn asks until stop is called, which returns the number of requests and
// what went wrong.
func (o *outside) goOn(ctx context.Context) (stop func() (int, []string)) {
	ctx, cancel := context.WithCancel(ctx)
	count, faults, done := 0, []string(nil), make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			// A request that has begun ends.
			err := o.get(context.WithoutCancel(ctx))
			count++
			if err != nil {
				faults = append(faults, err.Error())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return func() (int, []string) {
		cancel()
		<-done
		return count, faults
	}
}

func TestChangeOfConfigurationIsANewRevisionAndTrafficGoesOn(t *testing.T) {
	w := newWorld(t)
	w.installIstioCRDs()
	first := w.ready(withIngress()).Status.ActiveRevision
	namespace, plain := w.Namespace(t, "istio-injection=enabled"), w.Namespace(t)
	w.Apply(t, namespace, route)
	w.Deploy(t, namespace, e2e.App{Name: "app"})
	w.Deploy(t, plain, e2e.App{Name: "stranger"})
	kept, fresh := w.outside(true), w.outside(false)
	w.Eventually(t, func() error { return kept.get(t.Context()) })
	before := w.pods(namespace, "app=app")
	url := "http://app." + namespace + ":8080/"
	if got := w.Get(t, plain, "deployment/stranger", url)[0]; got.Status != http.StatusOK {
		t.Errorf("a stranger under Permissive: %+v, want 200", got)
	}

	stopKept, stopFresh := kept.goOn(t.Context()), fresh.goOn(t.Context())
	spec := withIngress()
	spec.MeshConfig = &v1alpha1.MeshConfig{MTLS: new(v1alpha1.MTLSStrict)}
	second := w.ready(spec).Status.ActiveRevision
	w.Eventually(t, func() error { return w.revisionIsGone(first) })
	for name, stop := range map[string]func() (int, []string){"kept": stopKept, "fresh": stopFresh} {
		if count, faults := stop(); count == 0 || len(faults) > 0 {
			t.Errorf("on %s connections %d of %d requests went wrong, the first: %s", name, len(faults), count, slices.Concat(faults, []string{"none"})[0])
		}
	}

	if second == first {
		t.Errorf("the revision is still %s", first)
	}
	if after := w.pods(namespace, "app=app"); len(after) != 1 || after[0].UID != before[0].UID {
		t.Errorf("the application has Pods %v, want that of before", after)
	}
	w.Eventually(t, func() error {
		got := w.Get(t, plain, "deployment/stranger", "-fresh", url)[0]
		if got.Error == "" {
			return fmt.Errorf("a stranger under Strict: %+v, want a reset connection", got)
		}
		return nil
	})
	if err := kept.get(t.Context()); err != nil {
		t.Errorf("the gateway under Strict: %v", err)
	}
}

// revisionIsGone tells what there still is of a revision, but for its record
// and the Service by which its proxies find discovery.
func (w *world) revisionIsGone(name string) error {
	keep := []string{ref("Service", "mesh-system", "meshwright-discovery-"+name), ref("MeshRevision", "", name)}
	all := w.meshObjects()
	maps.DeleteFunc(all, func(key string, o metav1.PartialObjectMetadata) bool {
		// Endpoints follow the Service that is kept.
		return slices.Contains(keep, key) || strings.HasPrefix(key, "Endpoint") ||
			!strings.HasSuffix(o.Name, name) && o.Labels["meshwright.io/revision"] != name
	})
	if len(all) > 0 {
		return fmt.Errorf("of revision %s there still are %v", name, slices.Sorted(maps.Keys(all)))
	}
	for _, key := range keep {
		if _, ok := w.meshObjects()[key]; !ok {
			return fmt.Errorf("%s is gone too", key)
		}
	}
	return nil
}
