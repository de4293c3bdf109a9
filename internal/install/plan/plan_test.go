package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// input reads a MeshInstall as the CLI does: a field that is unknown fails.
func input(t *testing.T, raw string) plan.Input {
	t.Helper()
	var in v1alpha1.MeshInstall
	if err := yaml.UnmarshalStrict([]byte(raw), &in); err != nil {
		t.Fatal(err)
	}
	return plan.Input{Install: in.Name, Spec: in.Spec}
}

// withSpec is a MeshInstall named prod with these lines under spec.
func withSpec(t *testing.T, spec string) plan.Input {
	t.Helper()
	return input(t, "metadata: {name: prod}\nspec:\n  version: v0.1.0\n"+spec)
}

func render(t *testing.T, in plan.Input) *plan.Plan {
	t.Helper()
	p, err := plan.New(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(t *testing.T, p *plan.Plan) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	golden.Cases(t, "testdata", func(t *testing.T, base string, in []byte) {
		golden.Text(t, base+".out.yaml", []byte(text(t, render(t, input(t, string(in))))))
	})
}

func TestOrderOfGatewaysAndTimesRenderedChangeNothing(t *testing.T) {
	gateways := []v1alpha1.Gateway{}
	kind := v1alpha1.GatewayIngress
	for _, name := range []string{"a", "b", "c", "d"} {
		gateways = append(gateways, v1alpha1.Gateway{Name: name, Namespace: "mesh-ingress", Kind: &kind})
	}
	spec := v1alpha1.MeshInstallSpec{Version: "v0.1.0", Components: &v1alpha1.Components{Gateways: gateways}}
	want := text(t, render(t, plan.Input{Install: "prod", Spec: spec}))
	for seed := range uint64(5) {
		shuffled := spec.DeepCopy()
		list := shuffled.Components.Gateways
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if d := cmp.Diff(want, text(t, render(t, plan.Input{Install: "prod", Spec: *shuffled}))); d != "" {
			t.Fatalf("seed %d renders other bytes (-first +now):\n%s", seed, d)
		}
	}
}

func TestRenderingLeavesItsInputAlone(t *testing.T) {
	in := withSpec(t, `
  components:
    gateways:
    - {name: ingress, namespace: mesh-ingress, service: {ports: [{name: http, port: 80}]}}
`)
	before := in.Spec.DeepCopy()
	render(t, in)
	if d := cmp.Diff(*before, in.Spec); d != "" {
		t.Errorf("rendering changed the spec:\n%s", d)
	}
}

func TestRevisionNameFollowsFromTheRevisionSetAlone(t *testing.T) {
	base := render(t, withSpec(t, "")).Revision
	cases := map[string]struct {
		in plan.Input
		// same is whether the revision keeps its name.
		same bool
	}{
		"profile and namespace as they are by default":       {withSpec(t, "  profile: default\n  namespace: mesh-system\n"), true},
		"a gateway's Service type is of the install set":     {withSpec(t, "  components: {gateways: [{name: ingress, namespace: mesh-ingress, service: {type: ClusterIP}}]}\n"), true},
		"a value that is the default":                        {withSpec(t, "  meshConfig: {mtls: Permissive}\n"), true},
		"another mode of mTLS":                               {withSpec(t, "  meshConfig: {mtls: Strict}\n"), false},
		"another profile":                                    {withSpec(t, "  profile: demo\n"), false},
		"the tags in another order":                          {withSpec(t, "  tags: [default]\n"), true},
		"another tag":                                        {withSpec(t, "  tags: [stable, default]\n"), false},
		"a way of updating, which is not rendered":           {withSpec(t, "  update: {strategy: InPlace}\n"), true},
		"more replicas":                                      {withSpec(t, "  components: {discovery: {replicas: {min: 2}}}\n"), false},
		"another image":                                      {plan.Input{Install: "prod", Spec: withSpec(t, "").Spec, Image: "localhost/meshwright:dev"}, false},
		"the default image said aloud":                       {plan.Input{Install: "prod", Spec: withSpec(t, "").Spec, Image: plan.DefaultImage("v0.1.0")}, true},
		"another name of the install, which is in its label": {plan.Input{Install: "test", Spec: withSpec(t, "").Spec}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := render(t, tc.in)
			if same := got.Revision == base; same != tc.same {
				t.Errorf("revision is %s, the base is %s", got.Revision, base)
			}
			if want := tc.in.Install + "-" + got.Hash[:10]; got.Revision != want {
				t.Errorf("revision is %s, want %s", got.Revision, want)
			}
		})
	}
}

func TestWishesThatCannotBeMetNameFieldAndFix(t *testing.T) {
	cases := map[string]struct {
		spec string
		want plan.Invalid
	}{
		"a version that is not carried": {
			"  version: v9.9.9\n",
			plan.Invalid{Reason: "UnknownVersion", Field: "spec.version", Message: `this operator does not carry "v9.9.9"; set one of: v0.1.0`},
		},
		"a profile that the version does not have": {
			"  version: v0.1.0\n  profile: huge\n",
			plan.Invalid{Reason: "UnknownProfile", Field: "spec.profile", Message: `version v0.1.0 has no profile "huge"; set one of: default, demo, minimal, production`},
		},
		"a gateway without a kind": {
			"  version: v0.1.0\n  components: {gateways: [{name: east, namespace: mesh-ingress}]}\n",
			plan.Invalid{Reason: "InvalidSpec", Field: "spec.components.gateways[0].kind", Message: "the profile has no gateway mesh-ingress/east; set kind to Ingress or Egress"},
		},
		"a low port without a target": {
			"  version: v0.1.0\n  components: {gateways: [{name: ingress, namespace: mesh-ingress, service: {ports: [{name: smtp, port: 25}]}}]}\n",
			plan.Invalid{Reason: "InvalidSpec", Field: "spec.components.gateways[0].service.ports[0].targetPort", Message: "port 25 needs a targetPort above 1023, because gateways run without privileges"},
		},
		"a port number that is there twice": {
			"  version: v0.1.0\n  components: {gateways: [{name: ingress, namespace: mesh-ingress, service: {ports: [{name: a, port: 80}, {name: b, port: 80}]}}]}\n",
			plan.Invalid{Reason: "InvalidSpec", Field: "spec.components.gateways[0].service.ports[1].port", Message: "port 80 is there twice; name each number once"},
		},
		"a mode that does not exist": {
			"  version: v0.1.0\n  meshConfig: {mtls: STRICT}\n",
			plan.Invalid{Reason: "InvalidSpec", Field: "spec.meshConfig.mtls", Message: `"STRICT" is no mode; set Permissive, Strict or Disable`},
		},
		"a policy that does not exist": {
			"  version: v0.1.0\n  meshConfig: {outboundTrafficPolicy: ALLOW_ANY}\n",
			plan.Invalid{Reason: "InvalidSpec", Field: "spec.meshConfig.outboundTrafficPolicy", Message: `"ALLOW_ANY" is no policy; set AllowAny or RegistryOnly`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.New(input(t, "metadata: {name: prod}\nspec:\n"+tc.spec))
			var invalid *plan.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error is %v, want an Invalid", err)
			}
			if d := cmp.Diff(tc.want, *invalid); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestRecordRendersTheSameAgain(t *testing.T) {
	first := render(t, withSpec(t, "  profile: demo\n  meshConfig: {mtls: Strict}\n"))
	record, err := first.Record()
	if err != nil {
		t.Fatal(err)
	}
	// As the API server would hand it back.
	raw, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var stored v1alpha1.MeshRevision
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	again, err := plan.FromRecord(&stored)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text(t, first), text(t, again)); d != "" {
		t.Errorf("the record renders other bytes (-first +again):\n%s", d)
	}
	if first.Hash != again.Hash || first.Revision != again.Revision || first.Namespace != again.Namespace {
		t.Errorf("the record gives %s %s in %s, want %s %s in %s", again.Revision, again.Hash, again.Namespace, first.Revision, first.Hash, first.Namespace)
	}
}

func TestRecordOfAnUnknownVersionIsAnError(t *testing.T) {
	record := &v1alpha1.MeshRevision{Spec: v1alpha1.MeshRevisionSpec{Version: "v9.9.9", Values: runtime.RawExtension{Raw: []byte("{}")}}}
	if _, err := plan.FromRecord(record); err == nil {
		t.Error("a version without a chart was rendered")
	}
}

func TestAliasLeadsFromTheRetiredNameToTheActivePods(t *testing.T) {
	p := render(t, withSpec(t, ""))
	alias := p.Alias("prod-0123456789")
	if alias.GetName() != "meshwright-discovery-prod-0123456789" || alias.GetLabels()[plan.LabelRevision] != "prod-0123456789" {
		t.Errorf("alias is %s of revision %s", alias.GetName(), alias.GetLabels()[plan.LabelRevision])
	}
	selector, _, _ := unstructured.NestedStringMap(alias.Object, "spec", "selector")
	if selector[plan.LabelRevision] != p.Revision || selector[plan.LabelComponent] != "discovery" {
		t.Errorf("alias selects %v", selector)
	}
	if p.RevisionSet[2].GetName() == alias.GetName() {
		t.Error("making the alias renamed the plan's own object")
	}
}

func TestEveryObjectSaysWhoseItIs(t *testing.T) {
	p := render(t, withSpec(t, "  profile: demo\n"))
	for _, o := range slices.Concat(p.RevisionSet, p.InstallSet) {
		labels := o.GetLabels()
		if labels[plan.LabelInstall] != "prod" || labels[plan.LabelManagedBy] != plan.ManagedBy || labels[plan.LabelComponent] == "" {
			t.Errorf("%s %s has labels %v", o.GetKind(), o.GetName(), labels)
		}
		inRevision := slices.Contains(p.RevisionSet, o)
		if has := labels[plan.LabelRevision] != ""; has != inRevision || inRevision && !strings.HasSuffix(o.GetName(), p.Revision) {
			t.Errorf("%s %s has revision label %q", o.GetKind(), o.GetName(), labels[plan.LabelRevision])
		}
	}
}

func TestNamespacesAreTheMeshsAndTheGateways(t *testing.T) {
	mesh, gateways := render(t, withSpec(t, "  profile: demo\n  namespace: mesh-two\n")).Namespaces()
	if d := cmp.Diff([]string{"mesh-two", "mesh-egress", "mesh-ingress"}, append([]string{mesh}, gateways...)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestAccessHasWhatAMeshInItsNamespaceNeedsAndNothingOfTheOperator(t *testing.T) {
	objects, err := plan.Access("meshwright-operator", "mesh-two", []string{"edge"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := plan.WriteYAML(&out, objects); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/access.golden.yaml", out.Bytes())
}
