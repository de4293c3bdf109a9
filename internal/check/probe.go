package check

import (
	"fmt"
	"slices"
)

// ofMesh are the categories that are about a mesh: without one there is nothing
// to say but that, and whether another one would be in its way.
var ofMesh = []string{"mesh", "injection", "certificates", "proxies"}

// probe looks at one thing.
type probe struct {
	id, category, title string
	// before and after say whether it is looked at before the installation, and
	// after it.
	before, after bool
	look          func(*Facts) finding
}

// finding is what a probe found: OK with no more to say, until it is told.
type finding struct {
	state State
	// said goes behind the title.
	said    string
	details []string
}

func fine(format string, args ...any) finding {
	return finding{state: OK, said: fmt.Sprintf(format, args...)}
}

// maxDetails is how many details of a line are shown.
const maxDetails = 5

// unless is fine when there are no details, else a state with the first of them.
func unless(details []string, state State, said string) finding {
	if len(details) == 0 {
		return fine("%s", said)
	}
	if more := len(details) - maxDetails; more > 0 {
		details = append(details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", more))
	}
	return finding{state: state, said: said, details: details}
}

// Before judges a cluster that the mesh is to be installed in.
func Before(f *Facts) []Line {
	return lines(f, func(p probe) bool { return p.before })
}

// After judges a cluster that the mesh was installed in.
func After(f *Facts) []Line {
	return lines(f, func(p probe) bool { return p.after })
}

func lines(f *Facts, wanted func(probe) bool) []Line {
	var out []Line
	for _, p := range probes {
		if !wanted(p) || len(f.Installs) == 0 && slices.Contains(ofMesh, p.category) && p.id != Installs && p.id != Injectors {
			continue
		}
		found := finding{state: Failure, details: []string{fmt.Sprintf("it could not be found out: %v", f.Unread[p.id])}}
		if f.Unread[p.id] == nil {
			found = p.look(f)
		}
		line := Line{ID: p.id, Category: p.category, State: found.state, Text: p.title, Details: found.details}
		if found.said != "" {
			line.Text += " (" + found.said + ")"
		}
		if found.state != OK {
			line.Hint = page + p.id
		}
		out = append(out, line)
		if p.id == Reach && found.state == Failure {
			break // there is nobody to ask the rest
		}
	}
	return out
}
