package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestLinesAreJSONAndKeepTheLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := New(Options{Level: 1, JSON: true, To: &out})
	l.V(1).Info("Shown", Proxy, "p")
	l.V(2).Info("Hidden")
	l.Error(errors.New("why"), "Broken")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("lines %q", lines)
	}
	var shown, broken map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &shown); err != nil {
		t.Fatal(err)
	}
	if shown["msg"] != "Shown" || shown[Proxy] != "p" || shown["ts"] == nil {
		t.Errorf("line %v", shown)
	}
	if err := json.Unmarshal([]byte(lines[1]), &broken); err != nil {
		t.Fatal(err)
	}
	if broken["error"] != "why" || broken["stacktrace"] != nil {
		t.Errorf("line %v", broken)
	}
}

func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	New(Options{To: &out}).Info("Shown", Count, 3)
	if line := out.String(); !strings.Contains(line, "Shown") || !strings.Contains(line, `{"count": 3}`) {
		t.Errorf("line %q", line)
	}
}
