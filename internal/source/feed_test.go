package source

import (
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/mesh"
)

func node(name, version, zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name, ResourceVersion: version, Labels: map[string]string{corev1.LabelTopologyZone: zone},
	}}
}

func TestARelistHandsOnOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	q := newQueue("nodes", "others")
	f := newFeed("nodes", "cluster.local", newFence(Scope{}, q), logr.Discard())
	key := func(name string) mesh.Key { return mesh.Key{Kind: mesh.KindNode, Name: name} }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.Replace([]any{node("a", "1", "x"), node("b", "1", "x"), node("c", "1", "x")}, "1"))
	if batch, first := q.take(); batch != nil || first {
		t.Fatalf("handed on before every list was in: %v", batch)
	}
	q.listed("others")
	if batch, first := q.take(); len(batch) != 3 || !first {
		t.Fatalf("first batch %v, %t", batch, first)
	}

	must(f.Replace([]any{node("a", "1", "x"), node("b", "2", "y")}, "3"))
	batch, first := q.take()
	if len(batch) != 2 || first || batch[0].Key != key("b") || batch[0].Value.(*mesh.Node).Zone != "y" ||
		batch[1].Key != key("c") || !batch[1].Gone {
		t.Errorf("after the relist: %+v", batch)
	}

	// The newest event stands for those before it.
	must(f.Update(node("a", "4", "z")))
	must(f.Update(node("b", "5", "z")))
	must(f.Delete(node("a", "6", "z")))
	batch, _ = q.take()
	if len(batch) != 2 || batch[0].Key != key("a") || !batch[0].Gone || batch[1].Key != key("b") {
		t.Errorf("joined batch %+v", batch)
	}

	// The kind goes, and what its reflector still brings is not heard.
	f.close()
	must(f.Update(node("d", "7", "z")))
	if batch, _ = q.take(); len(batch) != 1 || batch[0].Key != key("b") || !batch[0].Gone {
		t.Errorf("after the end: %+v", batch)
	}
}

func TestAnObjectThatBreaksIngestIsLeftOut(t *testing.T) {
	t.Parallel()
	q := newQueue()
	f := newFeed("nodes", "cluster.local", newFence(Scope{}, q), logr.Discard())
	var broken *corev1.Node
	if err := f.Replace([]any{broken, node("a", "1", "x")}, "1"); err != nil {
		t.Fatal(err)
	}
	if batch, _ := q.take(); len(batch) != 1 {
		t.Errorf("batch %v", batch)
	}
}
