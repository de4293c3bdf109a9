package status_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
	"github.com/meshwright/meshwright/internal/status"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/golden"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(apiserver.Main(m, &server, apiserver.WithIstioCRDs(), apiserver.WithAudit()))
}

// candidate is one of the processes that would write.
type candidate struct {
	*status.Writer
	stop func()
}

// stand starts writers that all see the cluster.
func stand(t *testing.T, names ...string) map[string]*candidate {
	t.Helper()
	out := map[string]*candidate{}
	for _, name := range names {
		config := rest.CopyConfig(server.Config)
		config.UserAgent = name
		w, err := status.New(status.Config{
			REST: config, Namespace: "default", Identity: name, Log: logr.Discard(), Registry: prometheus.NewRegistry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &candidate{Writer: w, stop: run(t, w.Run)}
	}
	s, err := source.New(source.Config{
		REST: server.Config, ClusterDomain: "cluster.local", Log: logr.Discard(),
		Sink: source.SinkFunc(func(events []source.Event) {
			for _, w := range out {
				w.Observe(observed(events))
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s.Run)
	return out
}

func observed(events []source.Event) []status.Object {
	var out []status.Object
	for _, e := range events {
		out = append(out, status.Object{Key: e.Key, Gone: e.Gone, Generation: e.Generation, Problems: e.Problems, Conditions: e.Conditions})
	}
	return out
}

// run runs f until the test ends or the result is called.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func object(t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// eventually waits until check has nothing to say.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		complaint := check()
		if complaint == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(complaint)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// condition reads one condition of the object, as "status reason message".
func condition(t *testing.T, c client.Client, doc, kind string) string {
	t.Helper()
	u := object(t, doc)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
		t.Fatal(err)
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, entry := range list {
		fields := entry.(map[string]any)
		if fields["type"] != kind {
			continue
		}
		if fields["observedGeneration"] != u.GetGeneration() || fields["lastTransitionTime"] == nil {
			return "not of this generation"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", fields["status"], fields["reason"], fields["message"]))
	}
	return ""
}

// writes are the writes of status so far, as user agent and object.
func writes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, w := range server.Writes(t) {
		if w.Subresource == "status" {
			out = append(out, w.UserAgent+" "+w.Name)
		}
	}
	return out
}

// since are the writes after the first n, at least as many as expected: the
// audit log lags a little.
func since(t *testing.T, n, expected int) []string {
	t.Helper()
	var out []string
	eventually(t, func() string {
		if out = writes(t)[n:]; len(out) < expected {
			return fmt.Sprintf("%d writes %v, want %d", len(out), out, expected)
		}
		return ""
	})
	return out
}

func patch(t *testing.T, c client.Writer, doc, body string) {
	t.Helper()
	if err := c.Patch(t.Context(), object(t, doc), client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		t.Fatal(err)
	}
}

const (
	good = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: good, namespace: default}, " +
		"spec: {hosts: [good], http: [{route: [{destination: {host: good}}]}]}}"
	bad = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: bad, namespace: default}, " +
		"spec: {hosts: [bad], http: [{match: [{uri: {regex: '('}}], route: [{destination: {host: bad}}]}]}}"
	policy = "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: policy, namespace: default}, spec: {mtls: {mode: STRICT}}}"
	last   = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: last, namespace: default}, spec: {host: good}}"
)

// TestOneElectedWriterWritesOnceAndThenRests tells one story from the first
// write to the next term.
func TestOneElectedWriterWritesOnceAndThenRests(t *testing.T) {
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range golden.Documents([]byte(good + "\n---\n" + bad + "\n---\n" + policy)) {
		if err := c.Create(t.Context(), object(t, string(doc))); err != nil {
			t.Fatal(err)
		}
	}
	foreign := client.RawPatch("application/merge-patch+json", []byte(`{"status": {"conditions": [{"type": "Reconciled", "status": "True"}]}}`))
	if err := c.Status().Patch(t.Context(), object(t, good), foreign); err != nil {
		t.Fatal(err)
	}
	foreignWrites := len(writes(t))
	candidates := stand(t, "one", "two")

	// Each object hears of itself, and the refused one of field and fix.
	accepted := func(doc, want string) func() string {
		return func() string {
			if got := condition(t, c, doc, status.TypeAccepted); !strings.HasPrefix(got, want) {
				return fmt.Sprintf("condition %q, want %q", got, want)
			}
			return ""
		}
	}
	eventually(t, accepted(good, "True Accepted"))
	eventually(t, accepted(policy, "True Accepted"))
	eventually(t, accepted(bad, "False Invalid spec.http[0].match[0].uri.regex: error parsing regexp"))
	if got := condition(t, c, bad, status.TypeAccepted); !strings.Contains(got, "write it in RE2 syntax") {
		t.Errorf("no fix in %q", got)
	}
	if u := object(t, good); true {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			t.Fatal(err)
		}
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		if first := list[0].(map[string]any); len(list) != 2 || first["type"] != "Reconciled" {
			t.Errorf("the condition of another controller is not kept: %v", list)
		}
	}

	// What changes no generation is not written about. The object that comes last
	// is, and by then all before it was worked off.
	patch(t, c, good, `{"metadata": {"labels": {"a": "b"}}}`)
	if err := c.Create(t.Context(), object(t, last)); err != nil {
		t.Fatal(err)
	}
	eventually(t, accepted(last, "True Accepted"))
	got := since(t, foreignWrites, 4)
	elected, _, _ := strings.Cut(got[0], " ")
	want := []string{elected + " bad", elected + " good", elected + " last", elected + " policy"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("writes %v, want %v", got, want)
	}

	// What the light of the others shows comes and goes.
	key := mesh.Key{Kind: mesh.KindVirtualService, Namespace: "default", Name: "good"}
	tell := func(p *mesh.Problems) {
		for _, w := range candidates {
			w.Derived(map[mesh.Key]*mesh.Problems{mesh.ProblemsKey(key): p})
		}
	}
	warned := func(want string) func() string {
		return func() string {
			if got := condition(t, c, good, status.TypeWarning); got != want {
				return fmt.Sprintf("warning %q, want %q", got, want)
			}
			return ""
		}
	}
	tell(&mesh.Problems{Generation: 1, List: []mesh.Problem{{Reason: "HostNotFound", Field: "spec.http[0]", Message: "create it"}}})
	eventually(t, warned("True HostNotFound spec.http[0]: create it"))
	tell(nil)
	eventually(t, warned(""))
	since(t, foreignWrites, 6)

	// The next in office goes on, and rewrites nothing that is right.
	before := len(writes(t))
	candidates[elected].stop()
	patch(t, c, bad, `{"spec": {"http": [{"route": [{"destination": {"host": "bad"}}]}]}}`)
	eventually(t, accepted(bad, "True Accepted"))
	other := map[string]string{"one": "two", "two": "one"}[elected]
	if got := since(t, before, 1); !slices.Equal(got, []string{other + " bad"}) {
		t.Errorf("writes of the second term %v", got)
	}
}
