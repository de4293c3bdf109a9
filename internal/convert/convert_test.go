package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/golden"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(apiserver.Main(m, &server, apiserver.WithCRDs("../../charts/operator/crds")))
}

func tableOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// check holds a conversion against its files, and asks an API server and the
// renderer whether they take what came of it.
func check(t *testing.T, base string, in Input) {
	t.Helper()
	in.Version = plan.Carried.Versions()[0]
	got, err := Convert(in)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.Marshal(map[string]any{"metadata": map[string]any{"name": got.Install.Name}, "spec": got.Install.Spec})
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, base+".install.yaml", raw)
	var findings strings.Builder
	for _, f := range got.Findings {
		fmt.Fprintf(&findings, "%s\n  %s\n  %s\n", f.Field, f.Value, f.Instead)
	}
	golden.Text(t, base+".findings.txt", []byte(findings.String()))
	if _, err := plan.New(plan.Input{Install: got.Install.Name, Spec: got.Install.Spec}); err != nil {
		t.Errorf("it cannot be rendered: %v", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(context.Background(), got.Install, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
		t.Errorf("the API server refuses it: %v", err)
	}
}

func TestObjectsBecomeMeshInstalls(t *testing.T) {
	golden.Cases(t, "testdata", func(t *testing.T, base string, in []byte) {
		check(t, base, Input{Object: tableOf(t, in)})
	})
}

func TestHelmValuesBecomeAMeshInstall(t *testing.T) {
	read := func(name string) map[string]any {
		text, err := os.ReadFile("testdata/helm." + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return tableOf(t, text)
	}
	check(t, "testdata/helm", Input{Values: read("values"), Gateways: []Release{{Namespace: "edge", Name: "istio-ingress", Values: read("gateway")}}})
}

func TestWrongFieldsAreNamed(t *testing.T) {
	t.Parallel()
	const operator = "kind: IstioOperator\nspec: "
	cases := map[string]struct{ in, field, says string }{
		"another kind":                   {"kind: Deployment", "kind", `"Deployment" cannot be converted`},
		"a text for a number":            {operator + "{components: {pilot: {k8s: {replicaCount: many}}}}", "spec.components.pilot.k8s.replicaCount", "many is not a whole number"},
		"a part of a pod":                {operator + "{components: {pilot: {k8s: {replicaCount: 1.5}}}}", "spec.components.pilot.k8s.replicaCount", "1.5 is not a whole number"},
		"a list for a table":             {operator + "{meshConfig: []}", "spec.meshConfig", "[] is not a table"},
		"a table for a text":             {operator + "{meshConfig: {trustDomain: {a: b}}}", "spec.meshConfig.trustDomain", "is not a text"},
		"a policy that there is not":     {operator + "{meshConfig: {outboundTrafficPolicy: {mode: ANY}}}", "spec.meshConfig.outboundTrafficPolicy.mode", "ANY is not ALLOW_ANY or REGISTRY_ONLY"},
		"a word for true or false":       {operator + "{values: {pilot: {autoscaleEnabled: maybe}}}", "spec.values.pilot.autoscaleEnabled", "maybe is not true or false"},
		"a gateway without a name":       {operator + "{components: {ingressGateways: [{enabled: true}]}}", "spec.components.ingressGateways[0].name", "null is not a text"},
		"gateways that are no list":      {operator + "{components: {egressGateways: {}}}", "spec.components.egressGateways", "{} is not a list"},
		"a port twice":                   {operator + "{components: {ingressGateways: [{name: istio-ingressgateway, k8s: {service: {ports: [{name: a, port: 80}, {name: b, port: 80}]}}}]}}", "spec.components.ingressGateways[0].k8s.service.ports[1]", "port 80 or its name is there twice"},
		"a quantity that is none":        {operator + "{values: {global: {proxy: {resources: {limits: {cpu: a}}}}}}", "spec.values.global.proxy.resources", "quantities must match"},
		"a quantity in binary exponents": {operator + "{values: {pilot: {resources: {limits: {memory: 1Pi}}}}}", "spec.values.pilot.resources.limits.memory", "1Pi is not a quantity such as"},
		"selectors that are no list":     {operator + "{meshConfig: {discoverySelectors: {a: b}}}", "spec.meshConfig.discoverySelectors", "is not a list"},
		"a selector that is none":        {operator + "{meshConfig: {discoverySelectors: [{labels: {a: b}}]}}", "spec.meshConfig.discoverySelectors[0]", "is not a label selector"},
		"a strategy that there is not":   {"kind: Istio\nspec: {updateStrategy: {type: Never}}", "spec.updateStrategy.type", "Never is not InPlace or RevisionBased"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Convert(Input{Version: "v0.1.0", Object: tableOf(t, []byte(tc.in))})
			var wrong *FieldError
			if !errors.As(err, &wrong) || wrong.Field != tc.field || !strings.Contains(wrong.Message, tc.says) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestEveryFieldIsEitherTakenOrNamed converts a value of each field that a rule
// is about: it changes the MeshInstall, or is in the findings, or is what the
// mesh does anyway.
func TestEveryRuleHasATargetOrAnAdvice(t *testing.T) {
	t.Parallel()
	for _, s := range sections {
		seen := map[string]bool{}
		for _, r := range s.rules {
			if seen[r.path] {
				t.Errorf("%s: %s has two rules", s.title, r.path)
			}
			seen[r.path] = true
			if r.take == nil && r.says == "" {
				t.Errorf("%s: %s has no counterpart and no advice", s.title, r.path)
			}
			if r.take == nil && r.to != "" {
				t.Errorf("%s: %s has a target and is not taken", s.title, r.path)
			}
		}
	}
}

const pageHead = `# What convert makes of Istio's fields

` + "`meshwright convert`" + ` reads an IstioOperator, an Istio of the Sail operator, or values of Istio's Helm charts, and prints a MeshInstall. What it cannot say there it names, with what to do instead. This page has each field that it knows; any other is named as unknown. [guides/from-istio.md](../guides/from-istio.md) has the whole way. The page is made from the code by a test: ` + "`make golden`" + ` rewrites it.

`

// TestThePageHasEveryRule writes the tables of the docs from the rules.
func TestThePageHasEveryRule(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	out.WriteString(pageHead)
	for _, s := range sections {
		fmt.Fprintf(&out, "## %s\n\n%s\n\n| field | in the MeshInstall | otherwise, or beside |\n|---|---|---|\n", s.title, s.about)
		for _, r := range s.rules {
			to := r.to
			if to == "" && r.take != nil {
				continue // it is looked at in another table
			}
			if strings.HasPrefix(to, "spec.") {
				to = "`" + to + "`"
			} else if s.at != "" && to != "" && !strings.HasPrefix(to, "as it is") {
				to = "`" + s.at + to + "`"
			}
			if to == "" {
				to = "–"
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", r.path, to, r.says)
		}
		out.WriteString("\n")
	}
	golden.Text(t, "../../docs/reference/convert.md", []byte(strings.TrimSuffix(out.String(), "\n")))
}

func TestGatewayNamesKeepTheSelectorWhereTheyCan(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, label := range []string{"ingressgateway", "egressgateway", "partners", "internal-gateway", "Edge_1", "gateway", "42"} {
		got[label] = gatewayName(label)
	}
	want := map[string]string{"ingressgateway": "ingress", "egressgateway": "egress", "partners": "partners", "internal-gateway": "internal", "Edge_1": "edge", "gateway": "gateway", "42": "gateway"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
