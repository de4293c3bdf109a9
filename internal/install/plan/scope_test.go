package plan_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// claim is that of a MeshInstall with these lines under spec.
func claim(t *testing.T, name, spec string) plan.Claim {
	t.Helper()
	in := withSpec(t, spec)
	return plan.ClaimOf(name, in.Spec)
}

func TestTheOlderMeshInstallKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	namespaces := map[string]labels.Set{
		"mesh-blue": nil, "mesh-red": nil, "mesh-system": nil, "kube-system": nil,
		"front": {"team": "blue"}, "back": {"team": "red"}, "both": {"team": "blue", "tier": "dev"},
	}
	const (
		blue  = "  profile: minimal\n  namespace: mesh-blue\n  tags: [blue]\n  scope: {namespaceSelector: {matchLabels: {team: blue}}}\n"
		red   = "  profile: minimal\n  namespace: mesh-red\n  tags: [red]\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n"
		plain = "  profile: minimal\n"
	)
	for name, tc := range map[string]struct {
		older, younger string
		// want is the error; empty is none.
		want string
	}{
		"two that share nothing":                   {blue, red, ""},
		"two with defaults have one namespace":     {plain, plain, "spec.namespace: MeshInstall older is older and has namespace mesh-system; set another"},
		"the older has the whole cluster":          {plain, red, "spec.scope: MeshInstall older is older and has all namespaces; give it a spec.scope that leaves some to this one, or delete one of the two"},
		"the younger wants the whole cluster":      {blue, plain, "spec.scope: MeshInstall older is older and has namespace both too; select by labels that no namespace of the other mesh has"},
		"an empty selector is the whole cluster":   {blue, "  profile: minimal\n  scope: {namespaceSelector: {}}\n", "spec.scope: MeshInstall older is older and has namespace both too; select by labels that no namespace of the other mesh has"},
		"one tag":                                  {blue, "  profile: minimal\n  namespace: mesh-red\n  tags: [red, blue]\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n", "spec.tags: MeshInstall older is older and has the tag blue; set other tags"},
		"the tag that both have by default":        {"  profile: minimal\n  scope: {namespaceSelector: {matchLabels: {team: blue}}}\n", "  profile: minimal\n  namespace: mesh-red\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n", "spec.tags: MeshInstall older is older and has the tag default; set other tags"},
		"one namespace that both selectors take":   {blue, "  profile: minimal\n  namespace: mesh-red\n  tags: [red]\n  scope: {namespaceSelector: {matchLabels: {tier: dev}}}\n", "spec.scope: MeshInstall older is older and has namespace both too; select by labels that no namespace of the other mesh has"},
		"selectors that could meet and do not":     {blue, "  profile: minimal\n  namespace: mesh-red\n  tags: [red]\n  scope: {namespaceSelector: {matchLabels: {tier: test}}}\n", ""},
		"a selector of all that lack a label":      {blue, "  profile: minimal\n  namespace: mesh-red\n  tags: [red]\n  scope: {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}}\n", "spec.scope: MeshInstall older is older and has namespace mesh-blue too; select by labels that no namespace of the other mesh has"},
		"gateways in one namespace":                {"  namespace: mesh-blue\n  tags: [blue]\n  scope: {namespaceSelector: {matchLabels: {team: blue}}}\n", "  namespace: mesh-red\n  tags: [red]\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n", "spec.components.gateways: MeshInstall older is older and has namespace mesh-ingress; give each gateway a namespace that no other mesh uses"},
		"a control plane in a gateway's namespace": {"  namespace: mesh-blue\n  tags: [blue]\n  scope: {namespaceSelector: {matchLabels: {team: blue}}}\n", "  profile: minimal\n  namespace: mesh-ingress\n  tags: [red]\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n", "spec.namespace: MeshInstall older is older and has namespace mesh-ingress; set another"},
		"a tag like the name of its revision":      {blue, "  profile: minimal\n  namespace: mesh-red\n  tags: [older-0123456789]\n  scope: {namespaceSelector: {matchLabels: {team: red}}}\n", "spec.tags: MeshInstall older is older and has revisions with names like the tag older-0123456789; choose another tag"},
		"the older has a tag like our revision's":  {"  profile: minimal\n  namespace: mesh-blue\n  tags: [younger-0123456789]\n  scope: {namespaceSelector: {matchLabels: {team: blue}}}\n", red, "metadata.name: MeshInstall older is older and has the tag younger-0123456789, which has the form of the name of a revision of this one; choose another name"},
		"what cannot be read has its own alone":    {"  profile: minimal\n  namespace: mesh-blue\n  tags: [blue]\n  scope: {namespaceSelector: {matchExpressions: [{key: team, operator: Is}]}}\n", red, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := claim(t, "younger", tc.younger).Beside(claim(t, "older", tc.older), namespaces)
			got := ""
			if err != nil {
				got = err.Error()
				var invalid *plan.Invalid
				if !errors.As(err, &invalid) || invalid.Reason != v1alpha1.ReasonAnotherMeshInstall {
					t.Errorf("the error is %#v", err)
				}
			}
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestARevisionHasWhatItWasRenderedWith(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"the whole cluster":      "",
		"namespaces by selector": "  namespace: mesh-blue\n  tags: [blue, sky]\n  scope: {namespaceSelector: {matchLabels: {team: blue}, matchExpressions: [{key: tier, operator: Exists}]}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := withSpec(t, spec)
			record, err := render(t, in).Record()
			if err != nil {
				t.Fatal(err)
			}
			got, err := plan.ClaimOfRevision(record)
			if err != nil {
				t.Fatal(err)
			}
			want := plan.ClaimOf("prod", in.Spec)
			for _, set := range []labels.Set{nil, {"team": "blue"}, {"team": "blue", "tier": "dev"}, {"team": "red", "tier": "dev"}} {
				if want, got := want.Scope.Matches(set), got.Scope.Matches(set); want != got {
					t.Errorf("a namespace with labels %v is in scope: %t, want %t", set, got, want)
				}
			}
			if want.Scope.Empty() != got.Scope.Empty() {
				t.Errorf("the whole cluster: %t, want %t", got.Scope.Empty(), want.Scope.Empty())
			}
			want.Scope, got.Scope = nil, nil
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestScopeThatCannotBeReadIsRefusedByField(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ spec, want string }{
		"an operator that is none": {
			"  scope: {namespaceSelector: {matchExpressions: [{key: team, operator: Is, values: [blue]}]}}\n",
			`spec.scope.namespaceSelector: "Is" is not a valid label selector operator`,
		},
		"a tag like the name of a revision of its own": {
			"  tags: [stable, prod-0123456789]\n",
			"spec.tags: prod-0123456789 has the form of a revision's name of MeshInstall prod; choose another tag",
		},
		"a scope in the values": {
			"  values: {scope: []}\n",
			"spec.values.scope: this is not set here: set spec.scope.namespaceSelector",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.New(withSpec(t, tc.spec))
			var invalid *plan.Invalid
			if !errors.As(err, &invalid) || invalid.Error() != tc.want {
				t.Errorf("error is %v, want %s", err, tc.want)
			}
		})
	}
}

func TestHowAScopeIsWrittenChangesNoRevision(t *testing.T) {
	t.Parallel()
	var revisions []string
	for _, selector := range []string{
		"{matchLabels: {team: blue, tier: dev}}",
		"{matchExpressions: [{key: tier, operator: In, values: [dev]}, {key: team, operator: In, values: [blue, blue]}]}",
		"{matchLabels: {tier: dev}, matchExpressions: [{key: team, operator: In, values: [blue]}]}",
	} {
		revisions = append(revisions, render(t, withSpec(t, "  scope: {namespaceSelector: "+selector+"}\n")).Revision)
	}
	if revisions[0] != revisions[1] || revisions[0] != revisions[2] {
		t.Errorf("revisions are %v", revisions)
	}
	base := render(t, withSpec(t, "")).Revision
	if revisions[0] == base {
		t.Error("a scope does not change the revision")
	}
	if d := cmp.Diff(base, render(t, withSpec(t, "  scope: {namespaceSelector: {}}\n")).Revision); d != "" {
		t.Errorf("the whole cluster, said aloud, is another revision (-want +got):\n%s", d)
	}
}
