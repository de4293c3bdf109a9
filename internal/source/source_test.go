package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/golden"
)

var server *apiserver.Server

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, &server, apiserver.WithIstioCRDs())) }

// world is a sink that keeps the newest event of each object.
type world struct {
	mu      sync.Mutex
	first   []mesh.Key
	objects map[mesh.Key]source.Event
	counts  map[mesh.Key]int
	lines   []map[string]any
}

// Apply implements source.Sink.
func (w *world) Apply(events []source.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		if w.counts[e.Key]++; e.Gone {
			delete(w.objects, e.Key)
			continue
		}
		w.objects[e.Key] = e
	}
	if w.first == nil {
		for _, e := range events {
			w.first = append(w.first, e.Key)
		}
	}
}

func (w *world) count(key mesh.Key) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[key]
}

// logged are the log lines about an object.
func (w *world) logged(name string) []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	for _, line := range w.lines {
		if line["object"] == name {
			out = append(out, line)
		}
	}
	return out
}

func (w *world) log() logr.Logger {
	return funcr.NewJSON(func(text string) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			panic(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, line)
	}, funcr.Options{})
}

// until waits for an object to be as ok says.
func (w *world) until(t *testing.T, key mesh.Key, ok func(e source.Event, there bool) bool) source.Event {
	t.Helper()
	var last source.Event
	eventually(t, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		e, there := w.objects[key]
		last = e
		if !ok(e, there) {
			return fmt.Errorf("%v: there %t, %+v", key, there, e)
		}
		return nil
	})
	return last
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func has(e source.Event, there bool) bool  { return there && e.Value != nil }
func gone(_ source.Event, there bool) bool { return !there }

// start runs a source until the test ends, and waits for its first batch.
func start(t *testing.T, config *rest.Config, credentialNamespaces ...string) *world {
	t.Helper()
	w, _ := startWith(t, source.Config{REST: config, CredentialNamespaces: credentialNamespaces})
	return w
}

// startWith runs a source with a configuration.
func startWith(t *testing.T, config source.Config) (*world, *source.Source) {
	t.Helper()
	w := &world{objects: map[mesh.Key]source.Event{}, counts: map[mesh.Key]int{}}
	config.ClusterDomain, config.Sink, config.Log = "cluster.local", w, w.log()
	s, err := source.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "pods") {
		t.Errorf("ready before it ran: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	eventually(t, s.Ready)
	return w, s
}

func kubernetes(t *testing.T, s *apiserver.Server) client.Client {
	t.Helper()
	c, err := client.New(s.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create creates the objects of a YAML stream, with namespaces before them.
func create(t *testing.T, c client.Client, stream string) {
	t.Helper()
	for _, doc := range golden.Documents([]byte(stream)) {
		u := object(t, string(doc))
		if ns := u.GetNamespace(); ns != "" {
			err := c.Create(t.Context(), object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}"))
			if err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
		if err := c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
}

func object(t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func patch(t *testing.T, c client.Client, doc, body string) {
	t.Helper()
	if err := c.Patch(t.Context(), object(t, doc), client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		t.Fatal(err)
	}
}

func key(kind mesh.Kind, namespace, name string) mesh.Key {
	return mesh.Key{Kind: kind, Namespace: namespace, Name: name}
}

func TestFirstBatchIsTheWholeClusterAndChangesFollow(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	create(t, c, `
apiVersion: v1
kind: Service
metadata: {name: back, namespace: whole}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: whole, labels: {topology.kubernetes.io/zone: a}}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: back, namespace: whole}
spec: {hosts: [back], http: [{route: [{destination: {host: back}}]}]}
`)
	w := start(t, server.Config)
	service, route := key(mesh.KindService, "whole", "back"), key(mesh.KindVirtualService, "whole", "back")
	for _, k := range []mesh.Key{service, route, key(mesh.KindNode, "", "whole")} {
		if !slices.Contains(w.first, k) {
			t.Errorf("%v is not in the first batch", k)
		}
	}
	const vs = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: back, namespace: whole}}"
	patch(t, c, vs, `{"spec": {"http": [{"timeout": "5s", "route": [{"destination": {"host": "other"}}]}]}}`)
	e := w.until(t, route, func(e source.Event, there bool) bool { return has(e, there) && e.Generation == 2 })
	if got := e.Value.(*mesh.VirtualService).HTTP[0]; got.Timeout != 5*time.Second || got.Destinations[0].Host != "other.whole.svc.cluster.local" {
		t.Errorf("after the edit: %+v", got)
	}
	patch(t, c, vs, `{"spec": {"http": [{"match": [{"uri": {"regex": "("}}], "route": [{"destination": {"host": "other"}}]}]}}`)
	e = w.until(t, route, func(e source.Event, there bool) bool { return there && e.Generation == 3 })
	if e.Value != nil || len(e.Problems) != 1 || e.Problems[0].Field != "spec.http[0].match[0].uri.regex" {
		t.Errorf("after the fault: %+v", e)
	}
	if err := c.Delete(t.Context(), object(t, vs)); err != nil {
		t.Fatal(err)
	}
	w.until(t, route, gone)
	w.until(t, service, has)
}

func TestPodsThatEndedAreGone(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	w := start(t, server.Config)
	const pod = "{apiVersion: v1, kind: Pod, metadata: {name: job, namespace: ended}, spec: {automountServiceAccountToken: false, containers: [{name: a, image: b}]}}"
	create(t, c, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: ended}\n---\n"+pod)
	w.until(t, key(mesh.KindWorkload, "ended", "job"), has)
	u := object(t, pod)
	if err := c.Status().Patch(t.Context(), u, client.RawPatch("application/merge-patch+json", []byte(`{"status": {"phase": "Succeeded"}}`))); err != nil {
		t.Fatal(err)
	}
	w.until(t, key(mesh.KindWorkload, "ended", "job"), gone)
}

func TestSecretsAreReadInTheGatewaysNamespacesOnly(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	create(t, c, `
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: broken, namespace: edge}
data: {tls.crt: eA==, tls.key: eA==}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: elsewhere}
data: {tls.crt: eA==, tls.key: eA==}
`)
	w := start(t, server.Config, "edge", "edge")
	e := w.until(t, key(mesh.KindCredential, "edge", "broken"), func(_ source.Event, there bool) bool { return there })
	if e.Value != nil || len(e.Problems) != 1 || !e.Problems[0].Refused {
		t.Errorf("a Secret that is no key pair: %+v", e)
	}
	if n := w.count(key(mesh.KindCredential, "elsewhere", "password")); n != 0 {
		t.Error("a Secret of another namespace was read")
	}
}

func TestAPolicyThatNobodyEnforcesIsAnErrorOnceForEachGeneration(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	w := start(t, server.Config)
	const policy = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: deny, namespace: guarded}, spec: {}}"
	create(t, c, policy)
	k := key("AuthorizationPolicy", "guarded", "deny")
	w.until(t, k, func(e source.Event, there bool) bool {
		return there && e.Value == nil && len(e.Problems) == 1 && e.Problems[0].Unserved
	})
	patch(t, c, policy, `{"metadata": {"labels": {"a": "b"}}}`)
	eventually(t, func() error {
		if n := w.count(k); n < 2 {
			return fmt.Errorf("%d events", n)
		}
		return nil
	})
	lines := w.logged("guarded/deny")
	if len(lines) != 1 || lines[0]["msg"] != "Security policy is not enforced" || lines[0]["level"] != nil {
		t.Errorf("lines %v", lines)
	}
	patch(t, c, policy, `{"spec": {"action": "DENY"}}`)
	eventually(t, func() error {
		if n := len(w.logged("guarded/deny")); n != 2 {
			return fmt.Errorf("%d lines", n)
		}
		return nil
	})
}

func TestConditionsOfOthersAreSeen(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	w := start(t, server.Config)
	const policy = "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: conditions}, spec: {mtls: {mode: STRICT}}}"
	create(t, c, policy)
	k := key(mesh.KindPeerAuthentication, "conditions", "p")
	w.until(t, k, has)
	err := c.Status().Patch(t.Context(), object(t, policy), client.RawPatch("application/merge-patch+json",
		[]byte(`{"status": {"conditions": [{"type": "Other", "status": "True", "reason": "R", "message": "m", "observedGeneration": "1"}]}}`)))
	if err != nil {
		t.Fatal(err)
	}
	e := w.until(t, k, func(e source.Event, _ bool) bool { return len(e.Conditions) == 1 })
	if want := (mesh.Condition{Type: "Other", Status: "True", Reason: "R", Message: "m", ObservedGeneration: 1}); e.Conditions[0] != want {
		t.Errorf("condition %+v", e.Conditions[0])
	}
}

// cut is a network that can be broken.
type cut struct {
	mu     sync.Mutex
	broken atomic.Bool
	conns  []net.Conn
}

func (c *cut) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.broken.Load() {
		return nil, fmt.Errorf("dial %s: the network is cut", address)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cut) cut() {
	c.broken.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func TestABrokenWatchHandsOnOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	const service = "{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: broken}, spec: {ports: [{port: 80}]}}"
	create(t, c, fmt.Sprintf(service, "stays")+"\n---\n"+fmt.Sprintf(service, "goes"))
	network := &cut{}
	config := rest.CopyConfig(server.Config)
	config.Dial = network.dial
	w := start(t, config)
	stays, goes, comes := key(mesh.KindService, "broken", "stays"), key(mesh.KindService, "broken", "goes"), key(mesh.KindService, "broken", "comes")
	w.until(t, stays, has)

	network.cut()
	if err := c.Delete(t.Context(), object(t, fmt.Sprintf(service, "goes"))); err != nil {
		t.Fatal(err)
	}
	create(t, c, fmt.Sprintf(service, "comes"))
	if n := w.count(comes); n != 0 {
		t.Fatal("the network is not cut")
	}
	network.broken.Store(false)

	w.until(t, comes, has)
	w.until(t, goes, gone)
	if n := w.count(stays); n != 1 {
		t.Errorf("what did not change was handed on %d times", n)
	}
}

func TestSecretsThatMayNotBeReadHoldNothingUp(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	create(t, c, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: limited}
rules:
- {apiGroups: [""], resources: [services, pods, nodes], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io, networking.istio.io, security.istio.io, telemetry.istio.io, extensions.istio.io, apiextensions.k8s.io], resources: ["*"], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: limited}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: cert, namespace: shut}
data: {tls.crt: eA==, tls.key: eA==}
`)
	config := rest.CopyConfig(server.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "limited"}
	w := start(t, config, "shut")
	k := key(mesh.KindCredential, "shut", "cert")
	if w.count(k) != 0 {
		t.Fatal("the user is not limited")
	}
	create(t, c, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: limited, namespace: shut}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: limited, namespace: shut}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: limited}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
`)
	w.until(t, k, func(_ source.Event, there bool) bool { return there })
}
