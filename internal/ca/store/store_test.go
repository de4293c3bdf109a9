package store_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/ca/store"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, &server, apiserver.WithAudit())) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// place is a mesh namespace of its own, and one for gateways.
type place struct {
	client         kubernetes.Interface
	mesh, gateways string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{client: kubernetes.NewForConfigOrDie(server.Config)}
	p.mesh, p.gateways = p.namespace(t, "mesh-"), p.namespace(t, "gateways-")
	return p
}

func (p *place) namespace(t *testing.T, prefix string) string {
	t.Helper()
	ns, err := p.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// store is that of one replica.
func (p *place) store() *store.Store {
	return store.New(store.Config{
		Client: p.client, Namespace: p.mesh, BundleNamespaces: []string{p.mesh, p.gateways, "nowhere"},
		TrustDomain: "td", Now: func() time.Time { return noon },
	})
}

func (p *place) bundle(t *testing.T, namespace string) string {
	t.Helper()
	m, err := p.client.CoreV1().ConfigMaps(namespace).Get(t.Context(), store.BundleName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Data[store.BundleKey]
}

func TestReplicasThatStartTogetherAgree(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	sets := make([]*slot.Set, 8)
	var group sync.WaitGroup
	for i := range sets {
		group.Go(func() {
			set, err := p.store().Ensure(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			sets[i] = set
		})
	}
	group.Wait()
	for i, set := range sets {
		if set == nil || !set.Equal(sets[0]) {
			t.Errorf("replica %d has another authority", i)
		}
	}
}

func TestEnsureKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	root, err := ca.NewRoot("td", noon)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := (&slot.Set{Current: root}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		data map[string][]byte
		err  string // a part of the error; empty means none
	}{
		"an authority of a person's own is used":        {data: whole},
		"a Secret without a key is an error":            {data: map[string][]byte{"current.crt": whole["current.crt"]}, err: "read signing key"},
		"a Secret of something else is an error":        {data: map[string][]byte{"ca.pem": []byte("x")}, err: "no current.crt"},
		"an empty Secret is an error and is not filled": {err: "no current.crt"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: store.SecretName}, Data: tc.data}
			if _, err := p.client.CoreV1().Secrets(p.mesh).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			set, err := p.store().Ensure(t.Context())
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), p.mesh+"/"+store.SecretName) {
					t.Errorf("error %v, want one with %q and the Secret's name", err, tc.err)
				}
			} else if err != nil || !set.Current.Certificate().Equal(root.Certificate()) {
				t.Errorf("another authority, or %v", err)
			}
			after, err := p.client.CoreV1().Secrets(p.mesh).Get(t.Context(), store.SecretName, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.data, after.Data); diff != "" {
				t.Error("the Secret was changed")
			}
		})
	}
}

func TestRefreshPublishesRootsAndNoKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	set, err := p.store().Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var holder slot.Holder
	holder.Set(set)
	if err := p.store().Refresh(t.Context(), &holder); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{p.mesh, p.gateways} {
		if diff := cmp.Diff(string(set.Bundle()), p.bundle(t, namespace)); diff != "" {
			t.Errorf("bundle in %s:\n%s", namespace, diff)
		}
		if strings.Contains(p.bundle(t, namespace), "PRIVATE") {
			t.Error("a key is published")
		}
	}
	_, err = p.client.CoreV1().ConfigMaps(p.gateways).Update(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: store.BundleName}, Data: map[string]string{store.BundleKey: "spoilt"},
	}, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store().Refresh(t.Context(), &holder); err != nil {
		t.Fatal(err)
	}
	if p.bundle(t, p.gateways) != string(set.Bundle()) {
		t.Error("a spoilt bundle is not put right")
	}
}

func TestRefreshTakesUpWhatAnotherReplicaStored(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	set, err := p.store().Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var holder slot.Holder
	holder.Set(set)
	next, err := ca.NewRoot("td", noon)
	if err != nil {
		t.Fatal(err)
	}
	both := &slot.Set{Current: set.Current, Next: next}
	data, err := both.Encode()
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: store.SecretName}, Data: data}
	if _, err := p.client.CoreV1().Secrets(p.mesh).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.store().Refresh(t.Context(), &holder); err != nil {
		t.Fatal(err)
	}
	if got, err := holder.Get(); err != nil || !got.Equal(both) {
		t.Errorf("held set is not the stored one: %v", err)
	}
	if p.bundle(t, p.mesh) != string(both.Bundle()) {
		t.Error("the next root is not published")
	}
	if err := p.client.CoreV1().Secrets(p.mesh).Delete(t.Context(), store.SecretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.store().Refresh(t.Context(), &holder); err == nil {
		t.Error("a Secret that is gone is not reported")
	}
	if got, err := holder.Get(); err != nil || !got.Equal(both) {
		t.Errorf("signing does not go on with what is held: %v", err)
	}
}

func TestSteadyStateWritesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var holder slot.Holder
	set, err := p.store().Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	holder.Set(set)
	ctx, cancel := context.WithCancel(t.Context())
	for range 3 {
		if err := p.store().Refresh(ctx, &holder); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := p.store().Run(ctx, &holder); err != nil {
		t.Errorf("Run ends with %v", err)
	}
	// A write of ours that comes after is in the log once the others are.
	marker, err := p.client.CoreV1().ConfigMaps(p.mesh).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "marker"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got = nil
		for _, w := range server.Writes(t) {
			if w.Namespace == p.mesh || w.Namespace == p.gateways {
				got = append(got, w.Verb+" "+w.Resource+" "+w.Name)
			}
		}
		if len(got) > 0 && got[len(got)-1] == "create configmaps "+marker.Name {
			break
		}
	}
	want := []string{"create secrets " + store.SecretName, "create configmaps " + store.BundleName, "create configmaps " + store.BundleName, "create configmaps marker"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}
