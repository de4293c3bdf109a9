package check

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// well is a cluster with a mesh that lacks nothing.
func well() *Facts {
	install := v1alpha1.MeshInstall{ObjectMeta: metav1.ObjectMeta{Name: "prod", Generation: 3}}
	install.Status.ActiveRevision = "prod-1"
	install.Status.Components = []v1alpha1.ComponentStatus{{Name: "discovery", Ready: 2, Desired: 2}}
	install.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 3},
		{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionFalse, ObservedGeneration: 3},
	}
	kinds := map[string]bool{}
	for _, name := range append(Ours, Istios...) {
		kinds[name] = true
	}
	return &Facts{
		Now: now, Unread: map[string]error{}, Kubernetes: "v1.36.1", Policies: true, Kinds: kinds,
		Rights:    []Right{{"create", "namespaces", true}},
		Operators: []Deployment{{"meshwright-operator/meshwright-operator", 1, 1}}, Leader: "pod-1", LeaderSeen: now.Add(-time.Second),
		Installs: []v1alpha1.MeshInstall{install}, Doors: []Door{{"prod-1", "MutatingAdmissionPolicy a", ""}},
		Trials:       []Trial{{Namespace: "shop", Revision: "prod-1", Wanted: "prod-1"}},
		Certificates: []Certificate{{"a root", now.Add(endsSoon + time.Hour)}},
		Proxies:      []Proxy{{Name: "shop/cart"}}, Sidecars: []string{"shop/cart"},
	}
}

func TestAllIsWellWhereNothingLacks(t *testing.T) {
	t.Parallel()
	for _, line := range append(Before(well()), After(well())...) {
		if line.State != OK || line.Hint != "" || len(line.Details) > 0 {
			t.Errorf("%+v", line)
		}
	}
}

func TestEachFaultIsNamedByItsOwnLine(t *testing.T) {
	t.Parallel()
	condition := func(f *Facts, kind string, status metav1.ConditionStatus, reason, message string) {
		f.Installs[0].Status.Conditions = append(f.Installs[0].Status.Conditions[:0:0], metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: 3},
			metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 3})
	}
	cases := map[string]struct {
		spoil func(*Facts)
		id    string
		state State
		says  string
	}{
		"an API server that does not answer": {func(f *Facts) { f.Unread[Reach] = errors.New("refused") }, Reach, Failure, "it could not be found out: refused"},
		"an old Kubernetes":                  {func(f *Facts) { f.Kubernetes = "v1.32.4" }, Version, Failure, "needs Kubernetes 1.33 or newer, and this is v1.32.4"},
		"a right that lacks":                 {func(f *Facts) { f.Rights[0].Allowed = false }, Rights, Failure, "you may not create namespaces"},
		"no resources of ours":               {func(f *Facts) { delete(f.Kinds, Ours[0]) }, OwnKinds, Failure, "meshinstalls.meshwright.io is not there"},
		"no resources of Istio":              {func(f *Facts) { delete(f.Kinds, Istios[1]) }, IstioKinds, Warning, "gateways.networking.istio.io is not there"},
		"no operator":                        {func(f *Facts) { f.Operators = nil }, Operator, Failure, "there is no Deployment of it"},
		"an operator that is not up":         {func(f *Facts) { f.Operators[0].Ready = 0 }, Operator, Failure, "has 0 of 1 pods ready"},
		"no leader":                          {func(f *Facts) { f.Leader = "" }, Leader, Failure, "nobody holds the lease"},
		"a silent leader":                    {func(f *Facts) { f.LeaderSeen = now.Add(-5 * time.Minute) }, Leader, Failure, "pod-1 said so last 5m0s ago"},
		"no MeshInstall":                     {func(f *Facts) { f.Installs = nil }, Installs, Failure, "there is no MeshInstall"},
		"one that was not looked at":         {func(f *Facts) { f.Installs[0].Generation = 4 }, Installs, Warning, "the operator has not looked at it yet"},
		"one that is under way":              {func(f *Facts) { condition(f, v1alpha1.ConditionReconciling, "True", "Progressing", "it waits") }, Installs, Warning, "prod: Progressing: it waits"},
		"one that is stalled":                {func(f *Facts) { condition(f, v1alpha1.ConditionStalled, "True", "InvalidSpec", "spec.a: set b\nmore") }, Installs, Failure, "prod: InvalidSpec: spec.a: set b"},
		"one that is degraded":               {func(f *Facts) { f.Installs[0].Status.Conditions[1].Status = metav1.ConditionTrue }, degraded, Warning, "prod: "},
		"a component with too few pods":      {func(f *Facts) { f.Installs[0].Status.Components[0].Ready = 1 }, components, Warning, "discovery has 1 of 2 pods"},
		"a component without pods":           {func(f *Facts) { f.Installs[0].Status.Components[0].Ready = 0 }, components, Failure, "discovery has 0 of 2 pods"},
		"another injector":                   {func(f *Facts) { f.Injectors = []string{"a answers to b"} }, Injectors, Warning, "a answers to b"},
		"a door that is gone":                {func(f *Facts) { f.Doors = nil }, Doors, Failure, "there is neither policy nor webhook of revision prod-1"},
		"a door without a binding":           {func(f *Facts) { f.Doors[0].Lacks = "it has no binding" }, Doors, Failure, "MutatingAdmissionPolicy a: it has no binding"},
		"no revision":                        {func(f *Facts) { f.Installs[0].Status.ActiveRevision = "" }, Doors, Failure, "prod: no revision serves"},
		"a pod that is refused":              {func(f *Facts) { f.Trials[0].Refusal = "denied" }, DryRun, Failure, "in namespace shop it is refused: denied"},
		"a pod that gets no sidecar":         {func(f *Facts) { f.Trials[0].Revision = "" }, DryRun, Failure, "in namespace shop it gets none"},
		"a pod that gets another's":          {func(f *Facts) { f.Trials[0].Revision = "prod-2" }, DryRun, Warning, "it gets that of prod-2, and prod-1 serves"},
		"workloads without a sidecar": {func(f *Facts) {
			f.Installs[0].Status.Unmeshed = &v1alpha1.UnmeshedStatus{Workloads: 12, Names: []string{"Deployment shop/cart"}}
		}, unmeshed, Warning, "Deployment shop/cart|and 11 more"},
		"no root":                             {func(f *Facts) { f.Certificates = nil }, Roots, Failure, "no root certificate yet"},
		"a root that ends soon":               {func(f *Facts) { f.Certificates[0].Ends = now.Add(time.Hour) }, Roots, Warning, "a root ends at 2026-05-01T13:00:00Z"},
		"a root that ended":                   {func(f *Facts) { f.Certificates[0].Ends = now.Add(-time.Hour) }, Roots, Failure, "a root ends at"},
		"a sidecar that is not connected":     {func(f *Facts) { f.Sidecars = append(f.Sidecars, "shop/front") }, Connected, Warning, "shop/front is not"},
		"a proxy that refuses":                {func(f *Facts) { f.Proxies[0].Refused = "x: bad" }, acknowledged, Failure, "shop/cart refuses x: bad"},
		"a proxy that does not answer":        {func(f *Facts) { f.Proxies[0].Waits = now.Add(-time.Minute) }, acknowledged, Warning, "shop/cart has not answered for 1m0s"},
		"a proxy of another revision":         {func(f *Facts) { f.Old = []string{"shop/cart"} }, versions, Warning, "shop/cart has that of another"},
		"an object that is refused":           {func(f *Facts) { f.Problems = []Problem{{Text: "a", Refused: true}} }, Configuration, Failure, "a"},
		"an object that leads nowhere":        {func(f *Facts) { f.Problems = []Problem{{Text: "a"}} }, Configuration, Warning, "a"},
		"an object with a field not served":   {func(f *Facts) { f.Problems = []Problem{{Text: "a", Unserved: true}} }, unserved, Warning, "a"},
		"very many objects that are not well": {func(f *Facts) { f.Problems = make([]Problem, 12) }, Configuration, Warning, "||||and 7 more"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := well()
			tc.spoil(f)
			found := false
			for _, line := range append(Before(f), After(f)...) {
				if line.ID == tc.id {
					found = true
					if text := strings.Join(line.Details, "|"); line.State != tc.state || !strings.Contains(text, tc.says) || line.Hint != page+tc.id {
						t.Errorf("%+v", line)
					}
				}
			}
			if !found {
				t.Errorf("there is no line %s", tc.id)
			}
		})
	}
}

func TestWithoutAnAPIServerNothingElseIsAsked(t *testing.T) {
	t.Parallel()
	if got := After(&Facts{Unread: map[string]error{Reach: errors.New("refused")}}); len(got) != 1 || Failed(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestEveryHintIsInTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/check.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings, ids []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, m[1])
	}
	for _, p := range probes {
		ids = append(ids, p.id)
	}
	if d := cmp.Diff(ids, headings); d != "" {
		t.Errorf("probes (-) and headings of docs/check.md (+):\n%s", d)
	}
	if _, path, _ := strings.Cut(page, "/blob/main/"); strings.TrimSuffix(path, "#") != "docs/check.md" {
		t.Errorf("hints lead to %s", page)
	}
}

func TestLinesForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Print(&out, []Line{
		{ID: "a", Category: "kubernetes", State: OK, Text: "it answers (v1)"},
		{ID: "b", Category: "kubernetes", State: Warning, Text: "it is new", Details: []string{"no", "and no"}, Hint: "https://x#b"},
		{ID: "c", Category: "mesh", State: Failure, Text: "it is ready"},
	}); err != nil {
		t.Fatal(err)
	}
	want := "kubernetes\n----------\n√ it answers (v1)\n‼ it is new\n    no\n    and no\n    see https://x#b\n\nmesh\n----\n× it is ready\n\n× looked at: 3, warnings: 1, failures: 1\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
