package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestValuesThatTheChartDoesNotHaveAreErrors(t *testing.T) {
	cases := map[string]struct {
		values string
		want   plan.Invalid
	}{
		"a typo": {"{proxy: {logLvel: info}}", plan.Invalid{
			Field: "spec.values.proxy.logLvel", Message: `the chart has no such value; did you mean "logLevel"?`}},
		"a typo at the top": {"{discovry: {}}", plan.Invalid{
			Field: "spec.values.discovry", Message: `the chart has no such value; did you mean "discovery"?`}},
		"a word that is near to nothing": {"{proxy: {tracing: true}}", plan.Invalid{
			Field: "spec.values.proxy.tracing", Message: "the chart has no such value; there are: concurrency, logLevel, resources"}},
		"a typo in a list": {"{gateways: [{name: a, namespace: b, kind: Ingress}, {name: a, namespace: b, kind: Ingress, servce: {}}]}", plan.Invalid{
			Field: "spec.values.gateways[1].servce", Message: `the chart has no such value; did you mean "service"?`}},
		"a wrong type": {`{proxy: {concurrency: "two"}}`, plan.Invalid{
			Field: "spec.values.proxy.concurrency", Message: "got string, want integer"}},
		"a wrong word": {`{meshConfig: {mtls: STRICT}}`, plan.Invalid{
			Field: "spec.values.meshConfig.mtls", Message: `value must be one of 'Permissive', 'Strict', 'Disable'`}},
		"what has a field of its own": {`{namespace: other}`, plan.Invalid{
			Field: "spec.values.namespace", Message: `this is not set here: set spec.namespace`}},
		"what has a field of its own further in": {`{meshConfig: {trustDomain: other}}`, plan.Invalid{
			Field: "spec.values.meshConfig.trustDomain", Message: `this is not set here: set spec.meshConfig.trustDomain`}},
		"nothing in the place of a table": {`{proxy: null}`, plan.Invalid{
			Field: "spec.values.proxy", Message: "got null, want object"}},
		"the first of several, by path": {`{proxy: {b: 1}, injector: {a: 1}, zzz: 1}`, plan.Invalid{
			Field: "spec.values.injector.a", Message: "the chart has no such value; there are: door, replicas, resources"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.New(withSpec(t, "  values: "+tc.values+"\n"))
			var invalid *plan.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error is %v, want an Invalid", err)
			}
			tc.want.Reason = v1alpha1.ReasonInvalidValues
			if d := cmp.Diff(tc.want, *invalid); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// deployment is the Deployment of a component.
func deployment(t *testing.T, p *plan.Plan, component string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range p.RevisionSet {
		if o.GetKind() == "Deployment" && o.GetLabels()[plan.LabelComponent] == component {
			return o
		}
	}
	t.Fatalf("there is no Deployment of %s", component)
	return nil
}

func TestLaterValuesWinAndFieldsWinOverAll(t *testing.T) {
	in := withSpec(t, `
  values: {injector: {replicas: {min: 4}}, discovery: {replicas: {min: 4}}}
  valuesFrom: [{kind: ConfigMap, name: a}, {kind: Secret, name: b}]
  components: {discovery: {replicas: {min: 5}}}
`)
	in.ValuesFrom = []string{
		"injector: {replicas: {min: 2}}\ngatewayDefaults: {replicas: {min: 2}}\nproxy: {logLevel: info}",
		"gatewayDefaults: {replicas: {min: 3}}",
	}
	p := render(t, in)
	for component, want := range map[string]int64{"discovery": 5, "injector": 4, "gateway-ingress": 3} {
		if got, _, _ := unstructured.NestedInt64(deployment(t, p, component).Object, "spec", "replicas"); got != want {
			t.Errorf("%s has %d replicas, want %d", component, got, want)
		}
	}
	if !strings.Contains(text(t, p), "logLevel: info") {
		t.Error("the first of the values is lost")
	}
	in.ValuesFrom[1] = "gatewayDefaults: {replicas: {min: 6}}"
	if render(t, in).Revision == p.Revision {
		t.Error("a change in an object of valuesFrom makes no new revision")
	}
	in.ValuesFrom[1] = "gatewayDefaults: {replcas: {min: 6}}"
	_, err := plan.New(in)
	if want := `spec.valuesFrom[1](Secret b).gatewayDefaults.replcas: the chart has no such value; did you mean "replicas"?`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	in.ValuesFrom[1] = "- a"
	if _, err := plan.New(in); err == nil || !strings.HasPrefix(err.Error(), "spec.valuesFrom[1](Secret b): this is no table of values in YAML") {
		t.Errorf("error is %v", err)
	}
}

func TestPatchesChangeWhatTheyName(t *testing.T) {
	p := render(t, withSpec(t, `
  patches:
  - target: {kind: Deployment, name: discovery}
    patch: |
      spec: {template: {metadata: {annotations: {x: edge}}, spec: {containers: [{name: discovery, env: [{name: A, value: b}]}]}}}
  - target: {kind: Service, name: ingress, namespace: mesh-ingress}
    type: JSON6902
    patch: |
      - {op: add, path: /metadata/annotations, value: {example.org/pool: edge}}
`))
	d := deployment(t, p, "discovery")
	if got, _, _ := unstructured.NestedString(d.Object, "spec", "template", "metadata", "annotations", "x"); got != "edge" {
		t.Errorf("the annotation is %q", got)
	}
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	if env := containers[0].(map[string]any)["env"].([]any); len(containers) != 1 || len(env) != 4 {
		t.Errorf("%d containers, and %d variables, want one with the chart's three and ours", len(containers), len(env))
	}
	if base := render(t, withSpec(t, "")); base.Revision == p.Revision {
		t.Error("a patch of the revision set makes no new revision")
	}
	if !strings.Contains(text(t, p), "example.org/pool: edge") {
		t.Error("the Service is not patched")
	}
	record, err := p.Record()
	if err != nil {
		t.Fatal(err)
	}
	again, err := plan.FromRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text(t, p), text(t, again)); d != "" {
		t.Errorf("the record renders something else:\n%s", d)
	}
}

func TestPatchesThatCannotBeSayWhy(t *testing.T) {
	const discovery = "{target: {kind: Deployment, name: discovery}, "
	cases := map[string]struct {
		patch string
		// field is below spec.patches[0]; says is in the message.
		field, says string
	}{
		"an object that is not there":     {"{target: {kind: Deployment, name: discvery}, patch: \"{}\"}", ".target", "there is no Deployment discvery; there are: ConfigMap discovery, ConfigMap injector"},
		"another namespace":               {"{target: {kind: Deployment, name: discovery, namespace: a}, patch: \"{}\"}", ".target", "there is no Deployment discovery"},
		"nothing that changes":            {discovery + "patch: \"{spec: {replicas: 1}}\"}", ".patch", "it changes nothing"},
		"a field that does not exist":     {discovery + "patch: \"{spec: {replcas: 1}}\"}", ".patch", `Deployment discovery: read what the patch gives: unknown field "spec.replcas"`},
		"a path that is not there":        {discovery + "type: JSON6902, patch: \"[{op: replace, path: /spec/a/b, value: 1}]\"}", ".patch", "/spec/a/b"},
		"a test that does not hold":       {discovery + "type: JSON6902, patch: \"[{op: test, path: /spec/replicas, value: 9}]\"}", ".patch", "Deployment discovery: testing value /spec/replicas failed"},
		"a list where a table should be":  {discovery + "patch: \"[]\"}", ".patch", "Deployment discovery:"},
		"what is no YAML":                 {discovery + "patch: \"a: b: c\"}", ".patch", "read the patch"},
		"another name":                    {discovery + "patch: \"{metadata: {name: a}}\"}", ".patch", "a patch cannot change apiVersion, kind, name"},
		"the label of the operator":       {discovery + "patch: \"{metadata: {labels: {meshwright.io/install: a}}}\"}", ".patch", "a patch cannot change"},
		"the object itself taken away":    {discovery + "patch: \"{$patch: delete}\"}", ".patch", "Deployment discovery:"},
		"a number in the place of a word": {discovery + "patch: \"{spec: {replicas: many}}\"}", ".patch", "spec.replicas"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.New(withSpec(t, "  patches: ["+tc.patch+"]\n"))
			var invalid *plan.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error is %v, want an Invalid", err)
			}
			if invalid.Reason != v1alpha1.ReasonInvalidPatch || invalid.Field != "spec.patches[0]"+tc.field || !strings.Contains(invalid.Message, tc.says) {
				t.Errorf("error is %s: %v, want %q at %s", invalid.Reason, invalid, tc.says, tc.field)
			}
		})
	}
}

func TestRegistryTakesThePlaceOfTheImagesOwn(t *testing.T) {
	const digest = "@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	cases := map[string]struct{ image, registry, want string }{
		"none asked for":         {"docker.io/meshwright/meshwright:v0.1.0", "", "docker.io/meshwright/meshwright:v0.1.0"},
		"a digest stays":         {"docker.io/meshwright/meshwright" + digest, "registry.example:5000/mirror", "registry.example:5000/mirror/meshwright/meshwright" + digest},
		"a host with a port":     {"localhost:5000/meshwright:v0.1.0", "registry.example", "registry.example/meshwright:v0.1.0"},
		"localhost is a host":    {"localhost/meshwright:dev", "registry.example", "registry.example/meshwright:dev"},
		"a name without a host":  {"meshwright/meshwright:dev", "registry.example", "registry.example/meshwright/meshwright:dev"},
		"a name of one part":     {"meshwright:dev", "registry.example", "registry.example/meshwright:dev"},
		"the default where none": {"", "registry.example", "registry.example/meshwright/meshwright:v0.1.0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := withSpec(t, "")
			in.Image, in.Spec.Images = tc.image, &v1alpha1.Images{Registry: tc.registry}
			out := text(t, render(t, in))
			seen := 0
			for line := range strings.Lines(out) {
				line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
				if image, ok := strings.CutPrefix(line, "image: "); ok {
					seen++
					if image != tc.want {
						t.Errorf("image is %s, want %s", image, tc.want)
					}
				}
			}
			if seen < 4 {
				t.Errorf("looked at %d images, want those of discovery, injector, gateway and sidecar", seen)
			}
		})
	}
}

func TestPullSecretsAreOnAllPodsOfOurs(t *testing.T) {
	p := render(t, withSpec(t, "  profile: demo\n  images: {pullSecrets: [b, a]}\n"))
	pods := 0
	for _, o := range p.RevisionSet {
		if o.GetKind() != "Deployment" {
			continue
		}
		pods++
		d := decodeDeployment(t, o)
		if d := cmp.Diff([]string{"a", "b"}, []string{d.Spec.Template.Spec.ImagePullSecrets[0].Name, d.Spec.Template.Spec.ImagePullSecrets[1].Name}); d != "" {
			t.Errorf("%s (-want +got):\n%s", o.GetName(), d)
		}
	}
	if pods != 4 {
		t.Errorf("looked at %d Deployments, want 4", pods)
	}
}
