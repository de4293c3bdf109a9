package alerts

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// rulesFile is what the operator's chart makes its PrometheusRule of.
const rulesFile = "../../charts/operator/monitoring/rules.yaml"

// rule is an alert.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Annotations map[string]string `json:"annotations"`
}

func rules(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	out := map[string]rule{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			out[r.Alert] = r
		}
	}
	if len(out) < 10 {
		t.Fatalf("found %d alerts", len(out))
	}
	return out
}

func newEngine(t *testing.T) *promql.Engine {
	t.Helper()
	e := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// firing is what an alert is firing for at a moment: what its expression had as
// a result at each evaluation for as long as it wants. That is Prometheus's rule.
func firing(t *testing.T, e *promql.Engine, w world, r rule, end time.Time) promql.Vector {
	t.Helper()
	long := model.Duration(0)
	if r.For != "" {
		var err error
		if long, err = model.ParseDuration(r.For); err != nil {
			t.Fatal(err)
		}
	}
	var out promql.Vector
	for now := end.Add(-time.Duration(long)); !now.After(end); now = now.Add(scrape) {
		query, err := e.NewInstantQuery(t.Context(), w, nil, r.Expr, now)
		if err != nil {
			t.Fatal(err)
		}
		result := query.Exec(t.Context())
		vector, err := result.Vector()
		if err != nil || len(result.Warnings) > 0 {
			t.Fatalf("%v, %v", err, result.Warnings)
		}
		var both promql.Vector
		for _, sample := range vector {
			for _, before := range out {
				if before.Metric.Hash() == sample.Metric.Hash() {
					both = append(both, sample)
				}
			}
		}
		if out = both; now.Equal(end.Add(-time.Duration(long))) {
			out = append(promql.Vector(nil), vector...)
		}
		query.Close()
	}
	return out
}

// label is one that an annotation shows.
var label = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func TestAlertsFireWhenTheyShouldAndNotElse(t *testing.T) {
	all := rules(t)
	engine := newEngine(t)
	fires, silent := map[string]bool{}, map[string]bool{}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, ok := all[tc.alert]
			if !ok {
				t.Fatalf("there is no alert %s", tc.alert)
			}
			stored, end := parse(t, tc.series)
			got := firing(t, engine, stored, r, end)
			if len(got) != tc.fires {
				t.Errorf("%s fires for %v, want %d", r.Alert, got, tc.fires)
			}
			for _, sample := range got {
				for _, text := range r.Annotations {
					for _, used := range label.FindAllStringSubmatch(text, -1) {
						if sample.Metric.Get(used[1]) == "" {
							t.Errorf("%s shows the label %s, and %s has none", r.Alert, used[1], sample.Metric)
						}
					}
				}
			}
			fires[tc.alert] = fires[tc.alert] || tc.fires > 0
			silent[tc.alert] = silent[tc.alert] || tc.fires == 0
		})
	}
	for name := range all {
		if !fires[name] || !silent[name] {
			t.Errorf("%s: there must be a case in which it fires, and one in which it does not", name)
		}
	}
}
