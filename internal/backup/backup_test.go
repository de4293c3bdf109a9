package backup_test

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/backup"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/golden"
)

const mesh = `
{apiVersion: v1, kind: Namespace, metadata: {name: mesh-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: meshwright.io/v1alpha1
kind: MeshInstall
metadata: {name: prod, labels: {team: mesh}, finalizers: [meshwright.io/removal]}
spec: {version: v0.1.0, components: {discovery: {replicas: {min: 3}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: meshwright-ca, namespace: mesh-system, labels: {app.kubernetes.io/part-of: meshwright}}
stringData: {current.crt: certificate, current.key: not for everyone}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-certificate, namespace: shop}
stringData: {tls.key: of a person}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: mesh-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: back, namespace: shop, annotations: {note: kept}}
spec:
  hosts: [back]
  http: [{route: [{destination: {host: back}, weight: 100}], timeout: 3s}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: made-by-a-controller
  namespace: shop
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: x, controller: true}]
spec: {servers: []}
`

// place is a cluster of its own with the CRDs.
type place struct {
	backup.Clients
}

func newPlace(t *testing.T) place {
	t.Helper()
	s := apiserver.Start(t, apiserver.WithIstioCRDs(), apiserver.WithCRDs("../../config/crd/bases"))
	return place{backup.Clients{Dynamic: dynamic.NewForConfigOrDie(s.Config), Discovery: discovery.NewDiscoveryClientForConfigOrDie(s.Config)}}
}

func (p place) at(t *testing.T, o *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	known, err := restmapper.GetAPIGroupResources(p.Discovery)
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := restmapper.NewDiscoveryRESTMapper(known).RESTMapping(o.GroupVersionKind().GroupKind())
	if err != nil {
		t.Fatal(err)
	}
	if o.GetNamespace() == "" {
		return p.Dynamic.Resource(mapping.Resource)
	}
	return p.Dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace())
}

func parse(t *testing.T, stream string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range golden.Documents([]byte(stream)) {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, &o.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func (p place) create(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objects {
		if _, err := p.at(t, o).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) snapshot(t *testing.T, authority bool) []*unstructured.Unstructured {
	t.Helper()
	objects, err := backup.Snapshot(t.Context(), p.Clients, authority)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// restore returns a line for each object.
func (p place) restore(t *testing.T, objects []*unstructured.Unstructured, dryRun bool) (lines []string, err error) {
	t.Helper()
	err = backup.Restore(t.Context(), p.Clients, objects, dryRun, func(o *unstructured.Unstructured, outcome backup.Outcome) {
		lines = append(lines, backup.Name(o)+" "+string(outcome))
	})
	return lines, err
}

func TestBackupOfOneClusterIsRestoredInAnother(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t), newPlace(t)
	from.create(t, parse(t, mesh)...)
	saved := from.snapshot(t, true)
	golden.YAML(t, "testdata/snapshot.yaml", saved)

	recipient, identity, err := backup.Passphrase("correct horse\n")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := backup.Write(&file, saved, []age.Recipient{recipient}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file.Bytes(), []byte("MeshInstall")) {
		t.Fatal("the file is not encrypted")
	}
	read, err := backup.Read(&file, []age.Identity{identity})
	if err != nil {
		t.Fatal(err)
	}
	to.create(t, parse(t, mesh)[:2]...)
	for i, step := range []struct {
		dryRun bool
		want   string
	}{{true, "created"}, {false, "created"}, {false, "unchanged"}} {
		lines, err := to.restore(t, read, step.dryRun)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"secret/meshwright-ca -n mesh-system " + step.want, "meshinstall.meshwright.io/prod " + step.want,
			"peerauthentication.security.istio.io/default -n mesh-system " + step.want, "virtualservice.networking.istio.io/back -n shop " + step.want,
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("run %d: -want +got:\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(saved, to.snapshot(t, true)); diff != "" {
		t.Errorf("-saved +restored:\n%s", diff)
	}
}

// withoutAuthority is a mesh whose discovery never started: that must be said,
// and what there is can be saved all the same.
func (p place) withoutAuthority(t *testing.T) {
	t.Helper()
	if _, err := backup.Snapshot(t.Context(), p.Clients, true); err == nil || !strings.Contains(err.Error(), "MeshInstall prod: there is no Secret mesh-system/meshwright-ca") {
		t.Errorf("error %v", err)
	}
	objects := p.snapshot(t, false)
	var file bytes.Buffer
	if err := backup.Write(&file, objects, nil); err != nil {
		t.Fatal(err)
	}
	read, err := backup.Read(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objects, read); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

func TestRestoreChangesNothingThatIsThere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.create(t, parse(t, mesh)[:3]...)
	p.withoutAuthority(t)
	p.create(t, parse(t, mesh)[3:]...)
	saved := p.snapshot(t, true)
	changed := saved[len(saved)-1].DeepCopy()
	if err := unstructured.SetNestedField(changed.Object, []any{"other"}, "spec", "hosts"); err != nil {
		t.Fatal(err)
	}
	missing := parse(t, `{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: x, namespace: nowhere}}`)[0]
	unknown := parse(t, `{apiVersion: example.com/v1, kind: Thing, metadata: {name: x}}`)[0]
	lines, err := p.restore(t, []*unstructured.Unstructured{missing, unknown, changed}, false)
	if diff := cmp.Diff([]string{"virtualservice.networking.istio.io/back -n shop kept as it is, it differs from the backup"}, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, part := range []string{"sidecar.networking.istio.io/x -n nowhere: namespace nowhere does not exist", "thing.example.com/x: the cluster does not know this kind"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
	if diff := cmp.Diff(saved, p.snapshot(t, true)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}

	saved[0].Object["data"] = map[string]any{"current.key": "b3RoZXI="}
	if lines, err = p.restore(t, saved, false); err == nil || len(lines) > 0 || !strings.Contains(err.Error(), "another authority is there") {
		t.Errorf("with another authority: %q, %v", lines, err)
	}
}

func TestKeysAreNeverWrittenPlain(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	err := backup.Write(&file, parse(t, mesh)[3:4], nil)
	if err == nil || file.Len() > 0 {
		t.Errorf("wrote %q, %v", file.String(), err)
	}
}

func TestFilesThatAreNoBackupAreRefused(t *testing.T) {
	t.Parallel()
	recipient, _, err := backup.Passphrase("one")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := backup.Passphrase("another")
	if err != nil {
		t.Fatal(err)
	}
	var locked bytes.Buffer
	if err := backup.Write(&locked, nil, []age.Recipient{recipient}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text       string
		identities []age.Identity
		want       string
	}{
		"an encrypted one without a key":   {locked.String(), nil, "it is encrypted"},
		"an encrypted one, another key":    {locked.String(), []age.Identity{other}, "open the backup"},
		"something else":                   {"kind: List\n", nil, "no backup of Meshwright's"},
		"nothing":                          {"", nil, "no backup of Meshwright's"},
		"a document that is not an object": {"# Meshwright backup\n---\n[1]\n", nil, "document 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := backup.Read(strings.NewReader(tc.text), tc.identities); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
