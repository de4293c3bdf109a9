package controllers

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestAPIServerRefusesWhatCannotBe(t *testing.T) {
	w := newWorld(t)
	cases := map[string]struct {
		name, spec string
		// says is in the error; empty for what is taken.
		says string
	}{
		"the smallest object":                 {"prod", "version: v0.1.0", ""},
		"every field of the mesh":             {"prod", "version: v0.1.0\nprofile: demo\nnamespace: a\nmeshConfig: {trustDomain: a.b, mtls: Strict, outboundTrafficPolicy: RegistryOnly}\ncomponents: {discovery: {replicas: {min: 2, max: 4}, resources: {requests: {cpu: 1, memory: 1Gi}}}, gateways: [{name: a, namespace: b, kind: Egress, enabled: true, service: {type: NodePort, ports: [{name: a, port: 80, nodePort: 30080}]}}]}", ""},
		"no version":                          {"prod", "profile: demo", "spec.version: Required value"},
		"a version that floats":               {"prod", "version: v0.1-latest", "spec.version in body should match"},
		"an unknown profile":                  {"prod", "version: v0.1.0\nprofile: huge", `spec.profile: Unsupported value: "huge": supported values: "minimal", "default", "production", "demo"`},
		"a mode of mTLS in Istio's letters":   {"prod", "version: v0.1.0\nmeshConfig: {mtls: STRICT}", "spec.meshConfig.mtls: Unsupported value"},
		"a long name":                         {strings.Repeat("a", 31), "version: v0.1.0", "metadata.name: must be no longer than 30 characters"},
		"a name of thirty characters":         {strings.Repeat("a", 30), "version: v0.1.0", ""},
		"a name with a dot":                   {"a.b", "version: v0.1.0", "metadata.name: must begin with a letter"},
		"a name that begins with a digit":     {"1a", "version: v0.1.0", "metadata.name: must begin with a letter"},
		"no replicas":                         {"prod", "version: v0.1.0\ncomponents: {discovery: {replicas: {min: 0}}}", "spec.components.discovery.replicas.min"},
		"a gateway twice":                     {"prod", "version: v0.1.0\ncomponents: {gateways: [{name: a, namespace: b}, {name: a, namespace: b}]}", "spec.components.gateways[1]: Duplicate value"},
		"a privileged target port":            {"prod", "version: v0.1.0\ncomponents: {gateways: [{name: a, namespace: b, service: {ports: [{name: a, port: 80, targetPort: 80}]}}]}", "targetPort"},
		"the status port taken for something": {"prod", "version: v0.1.0\ncomponents: {gateways: [{name: a, namespace: b, service: {ports: [{name: a, port: 15021}]}}]}", "port 15021 is the gateway's status port"},
		"a field that does not exist":         {"prod", "version: v0.1.0\nrevsion: a", `unknown field "spec.revsion"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := w.tryCreate(tc.name, tc.spec)
			if tc.says == "" && err != nil {
				t.Errorf("it was refused: %v", err)
			}
			if tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("error is %v, want %q in it", err, tc.says)
			}
		})
	}
}

// tryCreate asks the API server whether it would take a MeshInstall.
func (w *world) tryCreate(name, spec string) error {
	w.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		w.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MeshInstall"))
	o.SetName(name)
	return w.client.Create(w.ctx, o, client.DryRunAll, client.FieldValidation("Strict"))
}

func TestAPIServerRefusesChangesThatWouldBreakAMesh(t *testing.T) {
	w := newWorld(t)
	w.create("prod", "  meshConfig: {trustDomain: shop.example}\n")
	revision := &v1alpha1.MeshRevision{ObjectMeta: metav1.ObjectMeta{Name: "prod-0123456789"}, Spec: v1alpha1.MeshRevisionSpec{Install: "prod", Version: "v0.1.0", RenderedHash: "a"}}
	revision.Spec.Values.Raw = []byte(`{"a":1}`)
	if err := w.client.Create(w.ctx, revision); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(w.ctx, revision) })
	cases := map[string]struct {
		object client.Object
		patch  string
		says   string
	}{
		"another namespace":              {w.get("prod"), `{"spec":{"namespace":"other"}}`, `spec.namespace: Invalid value: "other": cannot be changed`},
		"another trust domain":           {w.get("prod"), `{"spec":{"meshConfig":{"trustDomain":"other"}}}`, "trustDomain: cannot be changed"},
		"the trust domain left out":      {w.get("prod"), `{"spec":{"meshConfig":null}}`, "trustDomain: cannot be changed"},
		"another mode of mTLS":           {w.get("prod"), `{"spec":{"meshConfig":{"mtls":"Strict"}}}`, ""},
		"a revision's version":           {revision, `{"spec":{"version":"v0.2.0"}}`, "a MeshRevision never changes"},
		"a value deep inside a revision": {revision, `{"spec":{"values":{"a":2}}}`, "a MeshRevision never changes"},
		"a revision's labels":            {revision, `{"metadata":{"labels":{"a":"b"}}}`, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := w.client.Patch(w.ctx, tc.object.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(tc.patch)), client.DryRunAll)
			if tc.says == "" && err != nil {
				t.Errorf("it was refused: %v", err)
			}
			if tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("error is %v, want %q in it", err, tc.says)
			}
		})
	}
}

func TestKubectlGetShowsTheColumns(t *testing.T) {
	w := newWorld(t)
	w.operate(w.operatorConfig())
	w.runPods(everything)
	w.create("prod", "  profile: minimal\n")
	active := w.ready("prod").Status.ActiveRevision

	config := rest.CopyConfig(w.server.Config)
	config.GroupVersion, config.APIPath = &v1alpha1.GroupVersion, "/apis"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Get().Resource("meshinstalls").SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1").DoRaw(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	row := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		row[column.Name] = table.Rows[0].Cells[i]
	}
	want := map[string]any{"Name": "prod", "Version": "v0.1.0", "Profile": "minimal", "Revision": active, "Step": nil, "Ready": "True", "Message": "revision " + active + " of version v0.1.0 serves"}
	for k, v := range want {
		if row[k] != v {
			t.Errorf("column %s is %v, want %v", k, row[k], v)
		}
	}
	if _, ok := row["Age"]; !ok {
		t.Error("there is no column Age")
	}
}
