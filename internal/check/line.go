package check

import (
	"fmt"
	"io"
	"strings"
)

// State is how a line came out.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failure State = "failure"
)

// Line is the outcome of one probe.
type Line struct {
	// ID names the probe; it is stable, and the anchor of its hints.
	ID       string `json:"id"`
	Category string `json:"category"`
	State    State  `json:"state"`
	// Text is what was looked at, with what was found.
	Text string `json:"text"`
	// Details say what is wrong, one by one.
	Details []string `json:"details,omitempty"`
	// Hint is where more stands; empty for what is OK.
	Hint string `json:"hint,omitempty"`
}

// page is where the hints are.
const page = "https://github.com/meshwright/meshwright/blob/main/docs/check.md#"

// signs are those that people know from other tools.
var signs = map[State]string{OK: "√", Warning: "‼", Failure: "×"}

// Failed counts the lines that failed.
func Failed(lines []Line) int {
	n := 0
	for _, l := range lines {
		if l.State == Failure {
			n++
		}
	}
	return n
}

// Print writes the lines for people, by category.
func Print(out io.Writer, lines []Line) error {
	var text strings.Builder
	category := ""
	for _, l := range lines {
		if l.Category != category {
			category = l.Category
			fmt.Fprintf(&text, "%s%s\n%s\n", strings.Repeat("\n", min(1, text.Len())), category, strings.Repeat("-", len(category)))
		}
		fmt.Fprintf(&text, "%s %s\n", signs[l.State], l.Text)
		for _, d := range l.Details {
			fmt.Fprintf(&text, "    %s\n", d)
		}
		if l.Hint != "" {
			fmt.Fprintf(&text, "    see %s\n", l.Hint)
		}
	}
	warnings := 0
	for _, l := range lines {
		if l.State == Warning {
			warnings++
		}
	}
	result := "√"
	if Failed(lines) > 0 {
		result = "×"
	}
	fmt.Fprintf(&text, "\n%s looked at: %d, warnings: %d, failures: %d\n", result, len(lines), warnings, Failed(lines))
	_, err := io.WriteString(out, text.String())
	return err
}
