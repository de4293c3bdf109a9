package source_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
)

func service(namespace, name string) string {
	return "{apiVersion: v1, kind: Service, metadata: {namespace: " + namespace + ", name: " + name + "}, spec: {ports: [{name: http, port: 80}]}}"
}

// team sets the label of a namespace by which it is selected.
func team(t *testing.T, c client.Client, namespace, value string) {
	t.Helper()
	patch(t, c, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}", `{"metadata":{"labels":{"team":"`+value+`"}}}`)
}

func TestNamespacesEnterAndLeaveTheScopeByTheirLabels(t *testing.T) {
	t.Parallel()
	c := kubernetes(t, server)
	create(t, c, service("scope-own", "a")+"\n---\n"+service("scope-blue", "a")+"\n---\n"+service("scope-red", "a")+`
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: scope-red}
spec: {host: a}
`)
	team(t, c, "scope-blue", "blue")
	team(t, c, "scope-red", "red")
	selector, err := labels.Parse("team=blue")
	if err != nil {
		t.Fatal(err)
	}
	w, s := startWith(t, source.Config{REST: server.Config, Scope: source.Scope{Selectors: []labels.Selector{selector}, Own: []string{"scope-own"}}})
	own, blue, red := key(mesh.KindService, "scope-own", "a"), key(mesh.KindService, "scope-blue", "a"), key(mesh.KindService, "scope-red", "a")
	rule := key(mesh.KindDestinationRule, "scope-red", "a")
	w.until(t, own, has)
	w.until(t, blue, has)
	for _, k := range w.first {
		if k.Namespace != "" && k.Namespace != "scope-own" && k.Namespace != "scope-blue" {
			t.Errorf("the first batch has %v, which is out of scope", k)
		}
	}
	if !s.InScope("scope-own") || !s.InScope("scope-blue") || s.InScope("scope-red") || s.InScope("nowhere") {
		t.Error("InScope says otherwise")
	}

	team(t, c, "scope-red", "blue")
	w.until(t, red, has)
	w.until(t, rule, has)

	team(t, c, "scope-blue", "green")
	w.until(t, blue, gone)
	// What happens outside is known when the namespace comes back.
	create(t, c, service("scope-blue", "b"))
	del(t, c, service("scope-blue", "a"))
	team(t, c, "scope-blue", "blue")
	w.until(t, key(mesh.KindService, "scope-blue", "b"), has)
	w.until(t, blue, gone)
	if w.count(own) != 1 {
		t.Errorf("an object of a namespace that stayed was told %d times", w.count(own))
	}

	// The mesh's own namespace does not leave.
	team(t, c, "scope-own", "red")
	team(t, c, "scope-red", "red")
	w.until(t, red, gone)
	w.until(t, own, has)
}

func del(t *testing.T, c client.Client, doc string) {
	t.Helper()
	if err := c.Delete(t.Context(), object(t, doc)); err != nil {
		t.Fatal(err)
	}
}
