package controllers

import (
	"os"
	"strings"
	"testing"
)

func TestAPIServerRefusesUpdatesThatCannotBe(t *testing.T) {
	w := newWorld(t)
	canary := func(fields string) string { return "update: {canary: {" + fields + "}}" }
	dataPlane := func(fields string) string { return "update: {dataPlane: {" + fields + "}}" }
	cases := map[string]struct {
		spec string
		// says is in the error; empty for what is taken.
		says string
	}{
		"every field": {`
tags: [default, stable]
scope: {namespaceSelector: {matchLabels: {mesh: prod}}}
mode: Paused
drift: Report
deletion: {policy: Orphan, guardTimeout: 1h30m}
update:
  strategy: Canary
  canary:
    steps:
    - {selector: {matchLabels: {tier: dev}}, hold: 10m}
    - {selector: {matchExpressions: [{key: tier, operator: Exists}]}}
    - {weight: 25, hold: 1m30s}
    - {weight: 100}
    gates:
      controlPlaneReady: true
      proxiesConnected: "0.99"
      configAcknowledged: "1"
      pushLatencyP99: 500ms
      workloadsReady: false
      injectionDryRun: true
      queries: [{name: errors, url: "http://prometheus:9090", expr: "sum(x)", op: "<=", value: "0.01"}]
    progressDeadline: 30m
    onFailure: Pause
    approval: Manual
    approvedStep: 2
  dataPlane:
    migrate: Automatic
    restart: Evict
    maxConcurrent: 3
    maxUnavailablePerNamespace: 1
    windows: [{schedule: "0 22 * * 1-5", duration: 4h}]
    exclude: {matchLabels: {a: b}}
  retainOld: 1h
  revisionHistoryLimit: 0
  allow: {downgrade: true, skipMinor: true}`, ""},
		"a step of both kinds":                {canary("steps: [{weight: 100, selector: {matchLabels: {a: b}}}]"), "set either selector or weight"},
		"a step of no kind":                   {canary("steps: [{hold: 1m}]"), "set either selector or weight"},
		"a selector that selects all":         {canary("steps: [{selector: {}}, {weight: 100}]"), "it must select by something"},
		"no step":                             {canary("steps: []"), "should have at least 1 items"},
		"steps that end too early":            {canary("steps: [{weight: 50}]"), "the last step must have weight 100"},
		"steps that end with a selector":      {canary("steps: [{selector: {matchLabels: {a: b}}}]"), "the last step must have weight 100"},
		"a weight that falls":                 {canary("steps: [{weight: 50}, {weight: 20}, {weight: 100}]"), "which must rise"},
		"a weight twice":                      {canary("steps: [{weight: 50}, {weight: 50}, {weight: 100}]"), "weights must rise"},
		"a selector after a weight":           {canary("steps: [{weight: 50}, {selector: {matchLabels: {a: b}}}, {weight: 100}]"), "steps with a selector come first"},
		"a weight of nothing":                 {canary("steps: [{weight: 0}, {weight: 100}]"), "steps[0].weight"},
		"a weight above all":                  {canary("steps: [{weight: 101}]"), "steps[0].weight"},
		"a hold without a unit":               {canary("steps: [{weight: 100, hold: \"10\"}]"), "hold in body should match"},
		"a share in percent":                  {canary("gates: {proxiesConnected: \"99\"}"), "proxiesConnected in body should match"},
		"a share above one":                   {canary("gates: {configAcknowledged: \"1.1\"}"), "configAcknowledged in body should match"},
		"a query that compares with nothing":  {canary("gates: {queries: [{name: a, url: \"http://a\", expr: b, op: \"==\", value: \"1\"}]}"), `op: Unsupported value: "=="`},
		"a query twice":                       {canary("gates: {queries: [{name: a, url: \"http://a\", expr: b, op: \"<\", value: \"1\"}, {name: a, url: \"http://a\", expr: b, op: \"<\", value: \"1\"}]}"), "Duplicate value"},
		"a query to a file":                   {canary("gates: {queries: [{name: a, url: \"file:///a\", expr: b, op: \"<\", value: \"1\"}]}"), "url in body should match"},
		"an action that is none":              {canary("onFailure: Retry"), `supported values: "Rollback", "Pause"`},
		"an approval that is none":            {canary("approval: Slack"), `supported values: "Automatic", "Manual"`},
		"a negative step":                     {canary("approvedStep: -1"), "approvedStep"},
		"a strategy that is none":             {"update: {strategy: BlueGreen}", `supported values: "InPlace", "Canary"`},
		"a way to migrate that is none":       {dataPlane("migrate: true"), "migrate"},
		"a way to restart that is none":       {dataPlane("restart: Kill"), `supported values: "Rollout", "Evict", "None"`},
		"nothing restarted at once":           {dataPlane("maxConcurrent: 0"), "maxConcurrent"},
		"a window in words":                   {dataPlane("windows: [{schedule: \"@daily\", duration: 4h}]"), "schedule in body should match"},
		"a window with seconds":               {dataPlane("windows: [{schedule: \"0 0 22 * * 1\", duration: 4h}]"), "schedule in body should match"},
		"a window without a length":           {dataPlane("windows: [{schedule: \"0 22 * * 1\"}]"), "duration: Required value"},
		"no window":                           {dataPlane("windows: []"), "should have at least 1 items"},
		"a negative history":                  {"update: {revisionHistoryLimit: -1}", "revisionHistoryLimit"},
		"time that goes back":                 {"update: {retainOld: -1h}", "retainOld in body should match"},
		"a mode that is none":                 {"mode: DryRun", `supported values: "Apply", "Plan", "Paused"`},
		"an answer to drift that is none":     {"drift: Ignore", `supported values: "Correct", "Report"`},
		"a way to go that is none":            {"deletion: {policy: Never}", `supported values: "WhenUnused", "Immediate", "Orphan"`},
		"no tag":                              {"tags: []", "should have at least 1 items"},
		"a tag twice":                         {"tags: [a, a]", "Duplicate value"},
		"a tag that is no label":              {"tags: [A_b]", "tags[0] in body should match"},
		"fewer pods at most than at least":    {"components: {discovery: {replicas: {min: 3, max: 2}}}", "max must not be less than min"},
		"as many pods at most as at least":    {"components: {discovery: {replicas: {min: 3, max: 3}}}", ""},
		"a most that the profile's least has": {"components: {discovery: {replicas: {max: 3}}}", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := w.tryCreate("prod", "version: v0.1.0\n"+tc.spec)
			if tc.says == "" && err != nil {
				t.Errorf("it was refused: %v", err)
			}
			if tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("error is %v, want %q in it", err, tc.says)
			}
		})
	}
}

// A client-side apply keeps the whole object in an annotation of at most
// 262,144 bytes, and every API client reads the schema.
func TestCRDsAreSmall(t *testing.T) {
	for _, file := range []string{"meshinstalls", "meshrevisions"} {
		info, err := os.Stat("../config/crd/bases/meshwright.io_" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 100_000 {
			t.Errorf("the CRD of %s has %d bytes, the budget is 100000", file, info.Size())
		}
	}
}
