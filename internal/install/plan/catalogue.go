package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Entry is a version of the mesh that the operator can install.
type Entry struct {
	// Version is as spec.version writes it.
	Version string
	// chart is the folder of its chart, frozen when the version was released.
	chart string
	// updatesFrom is the oldest version from which it was tried to update to
	// this one.
	updatesFrom string
	// oldestKubernetes is the minor version of Kubernetes 1 that it needs.
	oldestKubernetes int
	// endOfLife is the day from which it is not installed any more, such as
	// 2027-06-30. Empty while none is set.
	endOfLife string
}

// Catalogue is a list of versions, oldest first. Its functions are pure.
type Catalogue []Entry

// released are the versions of this product.
var released = Catalogue{
	{
		Version: "v0.1.0", chart: "mesh/v0.1.0", updatesFrom: "v0.1.0",
		// Native sidecars are stable since 1.33.
		oldestKubernetes: 33,
	},
}

// Versions are the names of all.
func (c Catalogue) Versions() []string {
	names := make([]string, len(c))
	for i, e := range c {
		names[i] = e.Version
	}
	return names
}

// find is the entry of a version, or an Invalid that lists those there are.
func (c Catalogue) find(version string) (Entry, error) {
	if at := slices.IndexFunc(c, func(e Entry) bool { return e.Version == version }); at >= 0 {
		return c[at], nil
	}
	return Entry{}, &Invalid{v1alpha1.ReasonUnknownVersion, "spec.version",
		fmt.Sprintf("this operator does not carry %q; set one of: %s", version, strings.Join(c.Versions(), ", "))}
}

// Move is a step from one version to another. From is empty for an install
// anew.
type Move struct {
	From, To string
	// Allow opens what is shut otherwise.
	Allow v1alpha1.AllowedPaths
	// Kubernetes is the version of the API server, such as v1.33.2; empty
	// where there is none to ask.
	Kubernetes string
	// Now is the time at which the step is taken.
	Now time.Time
}

// Check is an *Invalid that says what stands against a move, or nil. To stay
// with a version is no move: it is never refused for its age.
func (c Catalogue) Check(m Move) error {
	to, err := c.find(m.To)
	if err != nil || m.From == m.To {
		return err
	}
	refused := func(reason, format string, args ...any) error {
		return &Invalid{reason, "spec.version", fmt.Sprintf(format, args...)}
	}
	if to.ended(m.Now) {
		return refused(v1alpha1.ReasonVersionEndOfLife, "%s has been out of support since %s; set a newer one of: %s", m.To, to.endOfLife, strings.Join(c.Versions(), ", "))
	}
	if minor, ok := kubernetesMinor(m.Kubernetes); ok && minor < to.oldestKubernetes {
		return refused(v1alpha1.ReasonKubernetesTooOld, "%s needs Kubernetes 1.%d or newer, and this is %s; update Kubernetes first", m.To, to.oldestKubernetes, m.Kubernetes)
	}
	if m.From == "" {
		return nil
	}
	older, newer := parseVersion(m.From), parseVersion(m.To)
	down := older.compare(newer) > 0
	if down {
		if !m.Allow.Downgrade {
			return refused(v1alpha1.ReasonPathRefused, "%s is older than %s, which serves; to go back set spec.update.allow.downgrade", m.To, m.From)
		}
		older, newer = newer, older
	}
	if newer.skips(older) && !m.Allow.SkipMinor {
		return refused(v1alpha1.ReasonPathRefused, "from %s to %s a minor version is left out; %s, or set spec.update.allow.skipMinor", m.From, m.To, c.between(older, newer))
	}
	if from := parseVersion(to.updatesFrom); !down && older.compare(from) < 0 {
		return refused(v1alpha1.ReasonPathRefused, "%s can be reached from %s and newer, and %s serves; %s", m.To, to.updatesFrom, m.From, c.between(older, newer))
	}
	return nil
}

// ended reports whether support has ended.
func (e Entry) ended(now time.Time) bool {
	return e.endOfLife != "" && now.UTC().Format(time.DateOnly) >= e.endOfLife
}

// between says which version to go to first: the newest of the next minor.
func (c Catalogue) between(older, newer number3) string {
	best := ""
	for _, e := range c {
		v := parseVersion(e.Version)
		if v.compare(older) > 0 && v.compare(newer) < 0 && !v.skips(older) {
			best = e.Version
		}
	}
	if best == "" {
		return "an operator that carries a version between the two is needed first"
	}
	return "set " + best + " first"
}

// number3 is the three numbers of a version.
type number3 [3]int

var versionForm = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)`)

// parseVersion reads vX.Y.Z. What is not of that form is v0.0.0, older than all.
func parseVersion(version string) number3 {
	var n number3
	for i, digits := range versionForm.FindStringSubmatch(version) {
		if i > 0 {
			n[i-1], _ = strconv.Atoi(digits)
		}
	}
	return n
}

func (n number3) compare(other number3) int {
	return cmp.Or(cmp.Compare(n[0], other[0]), cmp.Compare(n[1], other[1]), cmp.Compare(n[2], other[2]))
}

// skips reports whether a minor version lies between an older version and n.
func (n number3) skips(older number3) bool {
	if n[0] != older[0] {
		return n[0] > older[0]+1 || n[1] > 0
	}
	return n[1] > older[1]+1
}

// kubernetesMinor reads the minor version out of v1.33.2 and its like.
func kubernetesMinor(version string) (minor int, ok bool) {
	n := parseVersion(version)
	return n[1], n[0] == 1
}
