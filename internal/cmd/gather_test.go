package cmd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// A key that nobody has: what is between the lines decodes to words.
const gatherKey = "-----BEGIN EC PRIVATE KEY-----\nbm90IGEga2V5IGF0IGFsbCBidXQgd29yZHM=\n-----END EC PRIVATE KEY-----\n"

// gatherWorld is a cluster with secrets in all kinds of places. Each of them
// has a word of "hidden" in it.
var gatherWorld = []string{
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: mesh-system}\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: meshwright-ca, namespace: mesh-system, labels: {app.kubernetes.io/part-of: meshwright}}\nstringData: {key.pem: hidden-in-a-secret}\n",
	`
apiVersion: v1
kind: ConfigMap
metadata:
  name: meshwright-discovery-prod-0123456789
  namespace: mesh-system
  labels: {app.kubernetes.io/part-of: meshwright}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: hidden-in-an-annotation}
data:
  mesh.yaml: |
    install: prod
    password: hidden-in-a-configmap
  token: hidden-by-its-name
  note: |
    -----BEGIN EC PRIVATE KEY-----
    hidden-in-a-key
    -----END EC PRIVATE KEY-----
    shown after the key
`,
	`
apiVersion: apps/v1
kind: Deployment
metadata: {name: meshwright-discovery-prod-0123456789, namespace: mesh-system, labels: {app.kubernetes.io/part-of: meshwright}}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: discovery
        image: a.b/c:d
        env:
        - {name: UPSTREAM_PASSWORD, value: hidden-in-a-variable}
        - {name: UPSTREAM, value: shown.example}
        args: ["--header=Authorization: Bearer hidden-in-an-argument"]
`,
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata: {name: prod}\nspec: {version: v0.1.0, valuesFrom: [{kind: Secret, name: more}]}\n",
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshRevision\nmetadata: {name: prod-0123456789}\nspec: {install: prod, version: v0.1.0, renderedHash: abc, values: {proxy: {logLevel: hidden-in-values}}}\n",
	`
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: prod.1, namespace: default}
regarding: {apiVersion: meshwright.io/v1alpha1, kind: MeshInstall, name: prod}
type: Normal
reason: Noticed
action: Look
note: this is shown
eventTime: "2026-01-01T00:00:00.000000Z"
reportingController: test
reportingInstance: test
`,
	`
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: other.1, namespace: default}
regarding: {apiVersion: v1, kind: Pod, name: other, namespace: default}
type: Normal
reason: Noticed
action: Look
note: hidden because it is of somebody else
eventTime: "2026-01-01T00:00:00.000000Z"
reportingController: test
reportingInstance: test
`,
}

func create(t *testing.T, server *apiserver.Server, manifests []string) {
	t.Helper()
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range manifests {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(context.Background(), o); err != nil {
			t.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

// unpack reads a tar.gz, by the names in it.
func unpack(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	raw, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for archive := tar.NewReader(raw); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(header.Name, "meshwright-gather/")] = string(text)
	}
}

func TestGatherHasWhatHelpsAndNoSecret(t *testing.T) {
	server := apiserver.Start(t, apiserver.WithCRDs("../../charts/operator/crds"))
	create(t, server, gatherWorld)
	file := filepath.Join(t.TempDir(), "fault.tar.gz")
	var said bytes.Buffer
	root := Root()
	root.SetOut(&said)
	root.SetArgs([]string{"gather", "--kubeconfig", server.Kubeconfig, "-o", file})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, packed)
	for name, text := range files {
		if strings.Contains(text, "hidden") || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("hidden-in-a-secret"))) {
			t.Errorf("%s has a secret:\n%s", name, text)
		}
	}
	for name, part := range map[string]string{
		"versions.txt":                       "meshwright v0.1.0\nkubernetes v1.",
		"meshinstalls/prod.yaml":             "version: v0.1.0",
		"meshrevisions/prod-0123456789.yaml": "renderedHash: abc",
		"namespaces/mesh-system/configmaps/meshwright-discovery-prod-0123456789.yaml":  "shown after the key",
		"namespaces/mesh-system/deployments/meshwright-discovery-prod-0123456789.yaml": "shown.example",
		"events.jsonl": "this is shown",
		"proxies.json": `"items"`,
		"errors.txt":   "ask discovery for its proxies: no discovery pod is ready",
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%s lacks %q:\n%s", name, part, files[name])
		}
	}
	if want := file + " has 8 files, 1 things could not be read\n"; said.String() != want {
		t.Errorf("it says %q, want %q", said.String(), want)
	}
	root.SetArgs([]string{"gather", "--kubeconfig", server.Kubeconfig, "-o", file})
	if err := root.Execute(); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file that was there: %v", err)
	}
}

// sharedWorld is a cluster with two meshes and the operator.
var sharedWorld = []string{
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: mesh-blue}\n",
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: mesh-red}\n",
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: meshwright-operator}\n",
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata: {name: blue}\nspec: {version: v0.1.0}\n",
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshInstall\nmetadata: {name: red}\nspec: {version: v0.1.0}\n",
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshRevision\nmetadata: {name: blue-0123456789}\nspec: {install: blue, version: v0.1.0, renderedHash: abc, values: {}}\n",
	"apiVersion: meshwright.io/v1alpha1\nkind: MeshRevision\nmetadata: {name: red-0123456789}\nspec: {install: red, version: v0.1.0, renderedHash: abc, values: {}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: mesh-blue, labels: {app.kubernetes.io/part-of: meshwright, meshwright.io/install: blue}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: mesh-red, labels: {app.kubernetes.io/part-of: meshwright, meshwright.io/install: red}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: meshwright-operator, labels: {app.kubernetes.io/part-of: meshwright}}\n",
	eventAbout("blue"), eventAbout("red"),
}

func eventAbout(install string) string {
	return "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {name: " + install + ".1, namespace: default}\n" +
		"regarding: {apiVersion: meshwright.io/v1alpha1, kind: MeshRevision, name: " + install + "-0123456789}\n" +
		"type: Normal\nreason: Noticed\naction: Look\nnote: about " + install + "\neventTime: \"2026-01-01T00:00:00.000000Z\"\nreportingController: test\nreportingInstance: test\n"
}

func TestGatherOfOneMeshHasNothingOfAnother(t *testing.T) {
	server := apiserver.Start(t, apiserver.WithCRDs("../../charts/operator/crds"))
	create(t, server, sharedWorld)
	for install, want := range map[string][]string{
		"blue": {"events.jsonl about blue", "meshinstalls/blue.yaml", "meshrevisions/blue-0123456789.yaml", "namespaces/mesh-blue/configmaps/settings.yaml"},
		"": {
			"events.jsonl about blue", "events.jsonl about red", "meshinstalls/blue.yaml", "meshinstalls/red.yaml",
			"meshrevisions/blue-0123456789.yaml", "meshrevisions/red-0123456789.yaml",
			"namespaces/mesh-blue/configmaps/settings.yaml", "namespaces/mesh-red/configmaps/settings.yaml",
			"namespaces/meshwright-operator/configmaps/settings.yaml",
		},
	} {
		var packed bytes.Buffer
		root := Root()
		root.SetOut(&packed)
		root.SetArgs([]string{"gather", "--kubeconfig", server.Kubeconfig, "--install", install, "-o", "-"})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		files := unpack(t, packed.Bytes())
		var got []string
		for _, team := range []string{"blue", "red"} {
			if strings.Contains(files["events.jsonl"], "about "+team) {
				got = append(got, "events.jsonl about "+team)
			}
		}
		for name := range files {
			if strings.Contains(name, "/") {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("of %q (-want +got):\n%s", install, d)
		}
	}
	root := Root()
	root.SetArgs([]string{"gather", "--kubeconfig", server.Kubeconfig, "--install", "green", "-o", "-"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `there is no MeshInstall "green"`) {
		t.Errorf("error is %v", err)
	}
}

func TestGatherSaysWhenThereIsNoCluster(t *testing.T) {
	root := Root()
	file := filepath.Join(t.TempDir(), "fault.tar.gz")
	root.SetArgs([]string{"gather", "--server", "http://127.0.0.1:1", "-o", file})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "reach the API server") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file all the same")
	}
}

func TestKeysAndTokensAreTakenOutOfText(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte(gatherKey))
	cases := map[string]struct{ text, want string }{
		"a key in lines":                  {"a\n" + gatherKey + "b", "a\nREDACTED\nb"},
		"a key on one line":               {strings.ReplaceAll(gatherKey, "\n", `\n`) + `","b"`, `REDACTED\n","b"`},
		"a key whose end is missing":      {"-----BEGIN PRIVATE KEY-----\nabc", "REDACTED"},
		"a key in base64":                 {"key: " + encoded + " b", "key: REDACTED b"},
		"a key of PKCS 8 in base64":       {base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE KEY-----\nabc\n")), "REDACTED"},
		"a key of RSA in base64":          {base64.StdEncoding.EncodeToString([]byte("-----BEGIN RSA PRIVATE KEY-----\nabc\n")), "REDACTED"},
		"a certificate, which is public":  {"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----"},
		"a token":                         {"got eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln.", "got REDACTED."},
		"a header":                        {"Authorization: Bearer abcdefgh1234 x", "Authorization: REDACTED x"},
		"a word that begins like a token": {"bearer of news", "bearer of news"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(redactText([]byte(tc.text))); got != tc.want {
				t.Errorf("it is %q, want %q", got, tc.want)
			}
		})
	}
}
