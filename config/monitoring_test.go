package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/controllers"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/slot"
	_ "github.com/meshwright/meshwright/internal/inject/webhook" // registers the injector's metrics
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/status"
)

const runbooks = "../docs/runbooks"

// registered are the metrics that operator, discovery and injector have, with
// the names of their labels.
type registered map[string][]string

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{([^}]*)\}\}$`)

// Register notes what a collector has, and nothing of it is served.
func (r registered) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc)
	go func() { c.Describe(descriptions); close(descriptions) }()
	for d := range descriptions {
		if found := description.FindStringSubmatch(d.String()); found != nil {
			r[found[1]] = strings.Split(found[2], ",")
		}
	}
	return nil
}

// MustRegister does as Register.
func (r registered) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = r.Register(c)
	}
}

// Unregister does nothing.
func (registered) Unregister(prometheus.Collector) bool { return false }

// ourMetrics makes each process's parts that register metrics.
func ourMetrics(t *testing.T) registered {
	t.Helper()
	out := registered{}
	out.MustRegister(controllers.Collectors()...)
	out.MustRegister(metrics.Registry.(*prometheus.Registry)) // The injector's.
	out.MustRegister(rotate.RootExpiry(&slot.Holder{}))
	push.New(push.Config{Store: mesh.NewStore(nil), Registry: out})
	if _, err := status.New(status.Config{REST: &rest.Config{}, Registry: out}); err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("found only the metrics %v", out)
	}
	return out
}

// alert is a rule of a PrometheusRule.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict(read(t, "../charts/operator/monitoring/rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	var out []alert
	for _, group := range file.Groups {
		out = append(out, group.Rules...)
	}
	if len(out) < 5 {
		t.Fatalf("found %d alerts", len(out))
	}
	return out
}

var (
	ours     = regexp.MustCompile(`\b(meshinstall|meshwright|sidecar_injection)_[a-z_]+`)
	selector = regexp.MustCompile(`\b([a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`^\s*([a-z_]+)\s*(=|!=|=~|!~)\s*"[^"]*"\s*$`)
)

// unknown are the metrics and labels of a query that nothing serves.
func (r registered) unknown(query string) (out []string) {
	base := func(name string) string {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if cut, ok := strings.CutSuffix(name, suffix); ok && r[cut] != nil {
				return cut
			}
		}
		return name
	}
	names := ours.FindAllString(query, -1)
	if len(names) == 0 {
		out = append(out, "no metric of ours")
	}
	for _, name := range names {
		if r[base(name)] == nil {
			out = append(out, name)
		}
	}
	for _, found := range selector.FindAllStringSubmatch(query, -1) {
		for _, part := range strings.Split(found[2], ",") {
			label := matcher.FindStringSubmatch(part)
			if label == nil || !slices.Contains(r[base(found[1])], label[1]) {
				out = append(out, found[1]+"{"+part+"}")
			}
		}
	}
	if strings.Count(query, "(") != strings.Count(query, ")") {
		out = append(out, "a parenthesis")
	}
	return out
}

func TestQueriesOfWhatNothingServesAreFound(t *testing.T) {
	r := registered{"meshwright_a": {"type"}, "meshwright_b_seconds": {""}}
	cases := map[string]struct {
		query string
		known bool
	}{
		"a metric":                {`sum(meshwright_a{type="x"})`, true},
		"a histogram":             {`rate(meshwright_b_seconds_bucket[5m])`, true},
		"a metric that is not":    {`meshwright_c`, false},
		"a label that is not":     {`meshwright_a{kind="x"}`, false},
		"no metric":               {`vector(1)`, false},
		"a parenthesis left open": {`sum(meshwright_a`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if found := r.unknown(tc.query); (len(found) == 0) != tc.known {
				t.Errorf("unknown are %v", found)
			}
		})
	}
}

func TestAlertsAskForMetricsThatExistAndHaveRunbooks(t *testing.T) {
	metrics := ourMetrics(t)
	pages, err := filepath.Glob(runbooks + "/Meshwright*.md")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, a := range alerts(t) {
		if found := metrics.unknown(a.Expr); len(found) > 0 {
			t.Errorf("%s asks for %v", a.Alert, found)
		}
		if !slices.Contains([]string{"warning", "critical"}, a.Labels["severity"]) || a.Annotations["summary"] == "" {
			t.Errorf("%s has no severity or no summary", a.Alert)
		}
		if want := "https://github.com/meshwright/meshwright/blob/main/docs/runbooks/" + a.Alert + ".md"; a.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %s, not to %s", a.Alert, a.Annotations["runbook_url"], want)
		}
		page := filepath.Join(runbooks, a.Alert+".md")
		wanted = append(wanted, page)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Errorf("%s has no runbook: %v", a.Alert, err)
			continue
		}
		for _, part := range []string{"# " + a.Alert + "\n", "## What it means", "## What to look at", "## What to do"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", page, part)
			}
		}
	}
	for _, page := range pages {
		if !slices.Contains(wanted, page) {
			t.Errorf("%s is of no alert", page)
		}
	}
}

func TestDashboardAsksForMetricsThatExist(t *testing.T) {
	metrics := ourMetrics(t)
	var board struct {
		Title  string `json:"title"`
		Panels []struct {
			ID      int            `json:"id"`
			Title   string         `json:"title"`
			GridPos map[string]int `json:"gridPos"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(read(t, "../charts/operator/monitoring/dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || len(board.Panels) < 5 {
		t.Fatalf("the dashboard %q has %d panels", board.Title, len(board.Panels))
	}
	places, ids := map[[2]int]bool{}, map[int]bool{}
	for _, p := range board.Panels {
		place := [2]int{p.GridPos["x"], p.GridPos["y"]}
		if places[place] || ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %q has another's place or number, or asks for nothing", p.Title)
		}
		places[place], ids[p.ID] = true, true
		for _, target := range p.Targets {
			if found := metrics.unknown(target.Expr); len(found) > 0 {
				t.Errorf("panel %q asks for %v", p.Title, found)
			}
		}
	}
}
