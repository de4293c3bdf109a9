package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/internal/install/plan"
)

func TestShares(t *testing.T) {
	t.Parallel()
	in, notIn := metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn
	for name, tc := range map[string]struct {
		assignment []plan.Assigned
		want       map[string]plan.Share
	}{
		"one revision has everything": {
			[]plan.Assigned{{"old", []string{"a"}}},
			map[string]plan.Share{"old": plan.Everywhere},
		},
		"a canary that has nothing yet is asked nowhere": {
			[]plan.Assigned{{"old", []string{"a", "b"}}, {"new", nil}},
			map[string]plan.Share{"old": plan.Everywhere, "new": plan.Nowhere},
		},
		"a canary has the namespaces of its step by name, the old one the rest": {
			[]plan.Assigned{{"old", []string{"a", "c"}}, {"new", []string{"d", "b"}}},
			map[string]plan.Share{"old": {notIn, []string{"b", "d"}}, "new": {in, []string{"b", "d"}}},
		},
		"past the half it is the other way round": {
			[]plan.Assigned{{"old", []string{"a"}}, {"new", []string{"b", "c"}}},
			map[string]plan.Share{"old": {in, []string{"a"}}, "new": {notIn, []string{"a"}}},
		},
		"a canary that has all of them": {
			[]plan.Assigned{{"old", nil}, {"new", []string{"a", "b"}}},
			map[string]plan.Share{"old": plan.Nowhere, "new": plan.Everywhere},
		},
		"three revisions, of which one has the rest": {
			[]plan.Assigned{{"old", []string{"a"}}, {"new", []string{"b"}}, {"main", []string{"c", "d"}}},
			map[string]plan.Share{"old": {in, []string{"a"}}, "new": {in, []string{"b"}}, "main": {notIn, []string{"a", "b"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := plan.Shares(tc.assignment)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for _, namespace := range []string{"a", "b", "c", "d", "made-later"} {
				var asked []string
				for revision, share := range got {
					if share.Has(namespace) {
						asked = append(asked, revision)
					}
				}
				if len(asked) != 1 {
					t.Errorf("namespace %s is in the shares of %v", namespace, asked)
				}
			}
		})
	}
}

// What the API server makes of a door's selectors is what the share says.
func TestDoorIsOpenForItsShareAlone(t *testing.T) {
	t.Parallel()
	byWebhook, byPolicy := withSpec(t, ""), withSpec(t, "")
	byPolicy.AdmissionPolicies = true
	for _, in := range []plan.Input{byWebhook, byPolicy} {
		testShares(t, render(t, in))
	}
}

func testShares(t *testing.T, p *plan.Plan) {
	t.Helper()
	for _, share := range []plan.Share{
		plan.Everywhere, plan.Nowhere, {Operator: metav1.LabelSelectorOpIn, Names: []string{"a", "b"}}, {Operator: metav1.LabelSelectorOpNotIn, Names: []string{"a"}},
	} {
		for _, selector := range namespaceSelectors(t, p, share) {
			for _, namespace := range []string{"a", "b", "c"} {
				matches := slices.ContainsFunc(optedIn(p), func(set labels.Set) bool {
					return selector.Matches(labels.Merge(set, labels.Set{"kubernetes.io/metadata.name": namespace}))
				})
				if matches != share.Has(namespace) {
					t.Errorf("share %v: selector %s matches namespace %s: %t", share, selector, namespace, matches)
				}
			}
			for _, namespace := range []string{"mesh-system", "kube-system"} {
				if p.NeedsRootCert() {
					break // that is in the policy's own selector
				}
				for _, set := range optedIn(p) {
					if selector.Matches(labels.Merge(set, labels.Set{"kubernetes.io/metadata.name": namespace})) {
						t.Errorf("share %v: selector %s matches %s", share, selector, namespace)
					}
				}
			}
		}
	}
}

// optedIn are the labels of namespaces that each of the selectors may want.
func optedIn(p *plan.Plan) []labels.Set {
	return []labels.Set{nil, {"istio-injection": "enabled"}, {"istio.io/rev": p.Revision}}
}

func namespaceSelectors(t *testing.T, p *plan.Plan, share plan.Share) []labels.Selector {
	t.Helper()
	var out []labels.Selector
	for _, o := range p.Door(share) {
		if o.GetKind() == "MutatingAdmissionPolicyBinding" {
			var binding admissionregistrationv1.MutatingAdmissionPolicyBinding
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &binding); err != nil {
				t.Fatal(err)
			}
			s, err := metav1.LabelSelectorAsSelector(binding.Spec.MatchResources.NamespaceSelector)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		if o.GetKind() != "MutatingWebhookConfiguration" {
			continue
		}
		var config admissionregistrationv1.MutatingWebhookConfiguration
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &config); err != nil {
			t.Fatal(err)
		}
		for _, w := range config.Webhooks {
			s, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
			if err != nil {
				t.Fatal(fmt.Errorf("webhook %s: %w", w.Name, err))
			}
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatal("the door has no selector")
	}
	return out
}

func TestTheDoorIsAPolicyWhereTheServerHasThem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values   string
		policies bool
		// want are the kinds of the door; empty means refused.
		want []string
	}{
		"by itself where there are policies":    {"", true, []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}},
		"by itself where there are none":        {"", false, []string{"MutatingWebhookConfiguration"}},
		"a webhook where the user wants one":    {"  values: {injector: {door: webhook}}\n", true, []string{"MutatingWebhookConfiguration"}},
		"a policy that the server cannot have":  {"  values: {injector: {door: policy}}\n", false, nil},
		"a policy that the user wants, and has": {"  values: {injector: {door: policy}}\n", true, []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := withSpec(t, tc.values)
			in.AdmissionPolicies = tc.policies
			p, err := plan.New(in)
			var invalid *plan.Invalid
			if tc.want == nil {
				if !errors.As(err, &invalid) || invalid.Field != "spec.values.injector.door" {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, o := range p.Door(plan.Everywhere) {
				kinds = append(kinds, o.GetKind())
			}
			if d := cmp.Diff(tc.want, kinds); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			runs := slices.ContainsFunc(p.RevisionSet, func(o *unstructured.Unstructured) bool {
				return o.GetKind() == "Deployment" && o.GetLabels()[plan.LabelComponent] == "injector"
			})
			if runs != slices.Contains(tc.want, "MutatingWebhookConfiguration") {
				t.Errorf("an injector runs: %t", runs)
			}
		})
	}
}
