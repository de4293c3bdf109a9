package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

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
	oldestKubernetes uint64
	// EndOfLife is the day from which it is not installed any more, such as
	// 2027-06-30. Empty while none is set.
	EndOfLife string
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
		return refused(v1alpha1.ReasonVersionEndOfLife, "%s has been out of support since %s; set a newer one of: %s", m.To, to.EndOfLife, strings.Join(c.Versions(), ", "))
	}
	if tooOld(m.Kubernetes, to.oldestKubernetes) {
		return refused(v1alpha1.ReasonKubernetesTooOld, "%s needs Kubernetes 1.%d or newer, and this is %s; update Kubernetes first", m.To, to.oldestKubernetes, m.Kubernetes)
	}
	if m.From == "" {
		return nil
	}
	older, newer := parseVersion(m.From), parseVersion(m.To)
	down := older.Compare(newer) > 0
	if down {
		if !m.Allow.Downgrade {
			return refused(v1alpha1.ReasonPathRefused, "%s is older than %s, which serves; to go back set spec.update.allow.downgrade", m.To, m.From)
		}
		older, newer = newer, older
	}
	if skips(newer, older) && !m.Allow.SkipMinor {
		return refused(v1alpha1.ReasonPathRefused, "from %s to %s a minor version is left out; %s, or set spec.update.allow.skipMinor", m.From, m.To, c.between(older, newer))
	}
	if from := parseVersion(to.updatesFrom); !down && older.Compare(from) < 0 {
		return refused(v1alpha1.ReasonPathRefused, "%s can be reached from %s and newer, and %s serves; %s", m.To, to.updatesFrom, m.From, c.between(older, newer))
	}
	return nil
}

// EndOfLife is when support of a version ends, and whether that is set.
func (c Catalogue) EndOfLife(version string) (time.Time, bool) {
	entry, err := c.find(version)
	if err != nil || entry.EndOfLife == "" {
		return time.Time{}, false
	}
	end, err := time.Parse(time.DateOnly, entry.EndOfLife)
	return end, err == nil
}

// ended reports whether support has ended.
func (e Entry) ended(now time.Time) bool {
	return e.EndOfLife != "" && now.UTC().Format(time.DateOnly) >= e.EndOfLife
}

// between says which version to go to first: the newest of the next minor.
func (c Catalogue) between(older, newer *semver.Version) string {
	best := ""
	for _, e := range c {
		v := parseVersion(e.Version)
		if v.GreaterThan(older) && v.LessThan(newer) && !skips(v, older) {
			best = e.Version
		}
	}
	if best == "" {
		return "an operator that carries a version between the two is needed first"
	}
	return "set " + best + " first"
}

// parseVersion reads what the API server or the catalogue calls a version. What
// is none is v0.0.0, older than all.
func parseVersion(version string) *semver.Version {
	v, err := semver.NewVersion(version)
	if err != nil {
		return semver.New(0, 0, 0, "", "")
	}
	return v
}

// skips reports whether a minor version lies between an older version and a
// newer one.
func skips(newer, older *semver.Version) bool {
	if newer.Major() != older.Major() {
		return newer.Major() > older.Major()+1 || newer.Minor() > 0
	}
	return newer.Minor() > older.Minor()+1
}

// tooOld reports whether a version of Kubernetes is older than 1.minor. One
// that cannot be read, or is no 1, is not.
func tooOld(kubernetes string, minor uint64) bool {
	v := parseVersion(kubernetes)
	return v.Major() == 1 && v.Minor() < minor
}
