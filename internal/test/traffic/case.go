package traffic

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// Case is one story: objects, requests, and what becomes of them. In its text
// CASE stands for a name that is the case's own, a Service at whose port 80 the
// server pods answer by HTTP; CASE-alt is such a Service of the pod alt.
type Case struct {
	Name string `json:"name"`
	// Objects are applied beside the world's.
	Objects []json.RawMessage `json:"objects"`
	// Problems are what is said about the objects: "field: " and a part of the
	// text, all of them, in any order.
	Problems []string  `json:"problems"`
	Requests []Request `json:"requests"`

	id string // what CASE is
}

// Request is sent from a pod's application, as often as Times says.
type Request struct {
	// From is a pod, "front" if empty.
	From   string `json:"from"`
	Method string `json:"method"`
	// URL has the name of a Service as its host, short or full, or At says where:
	// host:port, of a Service or an address.
	URL     string            `json:"url"`
	At      string            `json:"at"`
	Headers map[string]string `json:"headers"`
	// Answers are what servers answer, attempt by attempt, the last for all more;
	// 200 if empty.
	Answers []int `json:"answers"`
	// Sleep is how long servers take to answer.
	Sleep string `json:"sleep"`
	Times int    `json:"times"`
	Want  Want   `json:"want"`
}

// Want is what is expected; what is not named is not looked at, but the status.
type Want struct {
	// Status is 200 if 0.
	Status int `json:"status"`
	// By is the pod that answers, or what they have in common before a "-".
	By string `json:"by"`
	// Method, Path and Host are as the server sees them.
	Method string `json:"method"`
	Path   string `json:"path"`
	Host   string `json:"host"`
	// Seen are headers as the server sees them, Headers those of the answer; ""
	// for one that is not there.
	Seen    map[string]string `json:"seen"`
	Headers map[string]string `json:"headers"`
	// Body is the whole of the answer's.
	Body *string `json:"body"`
	// Attempts is how many requests reach servers for each that is sent.
	Attempts *int `json:"attempts"`
	// AtLeast is how long an answer takes.
	AtLeast string `json:"atLeast"`
	// Shares are parts of what is sent, by who answers, or by "status 503" and
	// the like; they add up to 1 where all is named. Copies are the like for
	// requests whose answers nobody waits for.
	Shares map[string]float64 `json:"shares"`
	Copies map[string]float64 `json:"copies"`
}

// ReadCases reads the files of a folder, each a list of cases.
func ReadCases(t testing.TB, folder string) []*Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}
	var cases []*Case
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // ours
		if err != nil {
			t.Fatal(err)
		}
		// Each part that begins an element is a case, to give CASE its own name.
		for part := range strings.SplitSeq("\n"+string(text), "\n- name:") {
			if strings.TrimSpace(part) == "" || len(cases) == 0 && strings.HasPrefix(strings.TrimSpace(part), "#") {
				continue
			}
			id := fmt.Sprintf("c%d", len(cases)+1)
			var list []*Case
			if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll("- name:"+part, "CASE", id)), &list); err != nil {
				t.Fatalf("read %s: case %.60q: %v", file, part, err)
			}
			list[0].id = id
			list[0].Name = strings.TrimSuffix(filepath.Base(file), ".yaml") + "/" + list[0].Name
			cases = append(cases, list[0])
		}
	}
	return cases
}

func duration(t testing.TB, text string) time.Duration {
	t.Helper()
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
