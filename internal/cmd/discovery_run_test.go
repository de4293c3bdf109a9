package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/test/adsclient"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/freeport"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// patience bounds every wait of these tests. None depends on its length.
const patience = time.Minute

// eventually asks until is says "", which is what is still missing.
func eventually(t *testing.T, is func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		missing := is()
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(missing)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cluster is an API server, and what tests do with it.
type cluster struct {
	*apiserver.Server
	client client.Client
}

// newCluster starts an API server with Istio's kinds and these namespaces.
func newCluster(t *testing.T, namespaces ...string) *cluster {
	t.Helper()
	c := &cluster{Server: apiserver.Start(t, apiserver.WithIstioCRDs())}
	var err error
	if c.client, err = client.New(c.Config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range namespaces {
		c.apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
	}
	return c
}

// apply creates or changes the objects of a YAML stream, with their status.
func (c *cluster) apply(t *testing.T, stream string) {
	t.Helper()
	for _, doc := range golden.Documents([]byte(stream)) {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, &u.Object); err != nil {
			t.Fatal(err)
		}
		status := u.Object["status"]
		if err := c.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("test"), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
		if status == nil {
			continue
		}
		u.Object["status"] = status
		if err := c.client.Status().Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
}

// condition waits until an Istio object has the condition with this status, for
// its present generation, and returns its reason and message.
func (c *cluster) condition(t *testing.T, kind, key, name, status string) (reason, message string) {
	t.Helper()
	u := object(kind, key)
	eventually(t, func() string {
		if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			t.Fatal(err)
		}
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, item := range list {
			c := item.(map[string]any)
			// Istio's schema has generations as strings.
			if c["type"] == name && c["status"] == status && fmt.Sprint(c["observedGeneration"]) == fmt.Sprint(u.GetGeneration()) {
				reason, _ = c["reason"].(string)
				message, _ = c["message"].(string)
				return ""
			}
		}
		return fmt.Sprintf("%s %s has no condition %s=%s of generation %d: %v", kind, key, name, status, u.GetGeneration(), list)
	})
	return reason, message
}

// object is an empty Istio object; key is namespace/name.
func object(kind, key string) *unstructured.Unstructured {
	group := "networking.istio.io"
	if kind == "PeerAuthentication" {
		group = "security.istio.io"
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	namespace, name, _ := strings.Cut(key, "/")
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// running is a discovery in this process.
type running struct {
	xds, http string
	// stop ends it and waits until it ended.
	stop func()
}

// discover starts meshwright discovery with these flags and waits until it is
// ready. It ends with the test at the latest.
func (c *cluster) discover(t *testing.T, flags ...string) *running {
	t.Helper()
	r := &running{xds: freeport.Address(t), http: freeport.Address(t)}
	root := Root()
	root.SetArgs(append([]string{"discovery", "--kubeconfig", c.Kubeconfig, "--plaintext-xds-address", r.xds, "--http-address", r.http}, flags...))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("discovery ended with %v", err)
		}
	})
	t.Cleanup(r.stop)
	eventually(t, func() string {
		response, err := http.Get("http://" + r.http + "/readyz")
		if err != nil {
			return err.Error()
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return "readyz: " + response.Status
		}
		return ""
	})
	return r
}

// synced waits until meshwright proxies says that all of these pods, and no
// others, are connected and in sync.
func (r *running) synced(t *testing.T, pods ...string) {
	t.Helper()
	eventually(t, func() string {
		out, err := runCommand(t, "proxies", "--address", r.http, "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		var list proxyList
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range list.Items {
			if p.Synced && p.Nacks == 0 {
				got = append(got, p.Name)
			}
		}
		if !slices.Equal(got, pods) {
			return fmt.Sprintf("in sync are %v, want %v: %s", got, pods, out)
		}
		return ""
	})
}

// envoy is a simulated Envoy.
type envoy struct {
	client  *adsclient.Client
	session *adsclient.Session
}

// newEnvoy is one with this node id that holds nothing and is not connected.
func newEnvoy(t *testing.T, id string) *envoy {
	c := adsclient.New(&corev3.Node{Id: id})
	c.Fault = t.Errorf
	return &envoy{client: c}
}

// connect opens a stream; an earlier one must be closed.
func (e *envoy) connect(t *testing.T, r *running) {
	t.Helper()
	conn, err := grpc.NewClient(r.xds, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if e.session, err = adsclient.Open(t.Context(), conn, e.client); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.session.Close)
}

// await waits until cond holds.
func (e *envoy) await(t *testing.T, what string, cond func(*adsclient.Client) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.session.Await(ctx, cond); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// get waits for a resource that is as it should be; say is true then.
func get[M proto.Message](t *testing.T, e *envoy, of resource.TypeURL, name string, say func(M) bool) {
	t.Helper()
	var last string
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := e.session.Await(ctx, func(c *adsclient.Client) bool {
		held, ok := c.Holds[of][name]
		if !ok {
			return false
		}
		m, err := held.Body.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		last = fmt.Sprint(m)
		return say(m.(M))
	})
	if err != nil {
		t.Fatalf("waiting for %s %s: %v; it is %q", of.Short(), name, err, last)
	}
}

// names are those that it holds of a type, sorted.
func (e *envoy) names(of resource.TypeURL) (out []string) {
	e.session.Look(func(c *adsclient.Client) { out = slices.Sorted(maps.Keys(c.Holds[of])) })
	return out
}

// counts is what it received so far, by type.
func (e *envoy) counts() (out map[resource.TypeURL]adsclient.Count) {
	e.session.Look(func(c *adsclient.Client) { out = maps.Clone(c.Counts) })
	return out
}

// received is what came since before, by type; sizes are left out.
func (e *envoy) received(before map[resource.TypeURL]adsclient.Count) map[string]adsclient.Count {
	out := map[string]adsclient.Count{}
	for of, n := range e.counts() {
		was := before[of]
		n.Responses, n.Resources, n.Removed = n.Responses-was.Responses, n.Resources-was.Resources, n.Removed-was.Removed
		n.Resent, n.Owed, n.Bytes = n.Resent-was.Resent, n.Owed-was.Owed, 0
		if n != (adsclient.Count{}) {
			out[of.Short()] = n
		}
	}
	return out
}
