package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/charts"
)

// history is a catalogue with a past.
var history = Catalogue{
	{Version: "v0.9.4", updatesFrom: "v0.9.0", oldestKubernetes: 29, EndOfLife: "2026-03-01"},
	{Version: "v1.0.7", updatesFrom: "v0.9.2", oldestKubernetes: 29},
	{Version: "v1.1.0", updatesFrom: "v1.0.5", oldestKubernetes: 31},
	{Version: "v1.1.3", updatesFrom: "v1.0.5", oldestKubernetes: 31},
	{Version: "v1.2.0", updatesFrom: "v1.1.0", oldestKubernetes: 31},
}

func TestMovesBetweenVersions(t *testing.T) {
	skip, down := v1alpha1.AllowedPaths{SkipMinor: true}, v1alpha1.AllowedPaths{Downgrade: true}
	cases := map[string]struct {
		move Move
		// reason and says are empty for a move that is taken.
		reason, says string
	}{
		"an install anew":                       {Move{To: "v1.2.0"}, "", ""},
		"a patch":                               {Move{From: "v1.1.0", To: "v1.1.3"}, "", ""},
		"the next minor":                        {Move{From: "v1.1.3", To: "v1.2.0"}, "", ""},
		"the next major from the last minor":    {Move{From: "v0.9.4", To: "v1.0.7"}, "", ""},
		"to stay":                               {Move{From: "v1.1.3", To: "v1.1.3"}, "", ""},
		"to stay with a version out of support": {Move{From: "v0.9.4", To: "v0.9.4"}, "", ""},
		"away from a version that is carried no more": {Move{From: "v1.0.5", To: "v1.1.3"}, "", ""},
		"a version that nobody carries":               {Move{To: "v3.0.0"}, "UnknownVersion", `this operator does not carry "v3.0.0"; set one of: v0.9.4, v1.0.7, v1.1.0, v1.1.3, v1.2.0`},
		"a version out of support":                    {Move{To: "v0.9.4"}, "VersionEndOfLife", "v0.9.4 has been out of support since 2026-03-01"},
		"an older patch":                              {Move{From: "v1.1.3", To: "v1.1.0"}, "PathRefused", "v1.1.0 is older than v1.1.3, which serves; to go back set spec.update.allow.downgrade"},
		"an older patch that is allowed":              {Move{From: "v1.1.3", To: "v1.1.0", Allow: down}, "", ""},
		"an older minor that is allowed":              {Move{From: "v1.2.0", To: "v1.1.3", Allow: down}, "", ""},
		"two minors down where one is allowed":        {Move{From: "v1.2.0", To: "v1.0.7", Allow: down}, "PathRefused", "from v1.2.0 to v1.0.7 a minor version is left out; set v1.1.3 first, or set spec.update.allow.skipMinor"},
		"a minor left out":                            {Move{From: "v1.0.7", To: "v1.2.0"}, "PathRefused", "from v1.0.7 to v1.2.0 a minor version is left out; set v1.1.3 first, or set spec.update.allow.skipMinor"},
		"a minor left out that nothing was tried of":  {Move{From: "v1.0.7", To: "v1.2.0", Allow: skip}, "PathRefused", "v1.2.0 can be reached from v1.1.0 and newer, and v1.0.7 serves; set v1.1.3 first"},
		"a patch from which nothing was tried":        {Move{From: "v1.0.1", To: "v1.1.0"}, "PathRefused", "v1.1.0 can be reached from v1.0.5 and newer, and v1.0.1 serves; set v1.0.7 first"},
		"a major and a minor at once":                 {Move{From: "v0.9.4", To: "v1.1.0"}, "PathRefused", "set v1.0.7 first"},
		"a Kubernetes that is too old":                {Move{To: "v1.2.0", Kubernetes: "v1.30.14+k3s1"}, "KubernetesTooOld", "v1.2.0 needs Kubernetes 1.31 or newer, and this is v1.30.14+k3s1; update Kubernetes first"},
		"a Kubernetes that is just new enough":        {Move{To: "v1.2.0", Kubernetes: "v1.31.0"}, "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.move.Now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			err := history.Check(tc.move)
			if tc.reason == "" {
				if err != nil {
					t.Errorf("it is refused: %v", err)
				}
				return
			}
			var invalid *Invalid
			if !errors.As(err, &invalid) || invalid.Reason != tc.reason || invalid.Field != "spec.version" || !strings.Contains(invalid.Message, tc.says) {
				t.Errorf("error is %v, want %s with %q", err, tc.reason, tc.says)
			}
		})
	}
}

func TestSupportEndsOnItsDay(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if history[0].ended(day.Add(-time.Second)) || !history[0].ended(day) || history[1].ended(day) {
		t.Error("support does not end at midnight of its day, in UTC")
	}
}

func TestAReleaseCarriesWhatItHasChartsOf(t *testing.T) {
	entries, err := charts.Files.ReadDir("mesh")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	if d := cmp.Diff(folders, Carried.Versions()); d != "" {
		t.Errorf("-charts +catalogue:\n%s", d)
	}
	for i, e := range Carried {
		if i > 0 && !parseVersion(Carried[i-1].Version).LessThan(parseVersion(e.Version)) {
			t.Errorf("%s is not newer than what is before it", e.Version)
		}
		if _, err := loadChart(e.chart); err != nil {
			t.Error(err)
		}
		if e.EndOfLife != "" {
			if _, err := time.Parse(time.DateOnly, e.EndOfLife); err != nil {
				t.Error(err)
			}
		}
		if e.oldestKubernetes == 0 || e.updatesFrom == "" {
			t.Errorf("%s does not say what it needs", e.Version)
		}
	}
}

func TestImageIsTheReleasesOrTheDefault(t *testing.T) {
	const digest = "registry.example/meshwright@sha256:0123"
	set := map[string]string{"RELATED_IMAGE_MESHWRIGHT_V0_2_0": digest, "RELATED_IMAGE_MESHWRIGHT_V0_3_0": ""}
	lookup := func(name string) (string, bool) { v, ok := set[name]; return v, ok }
	want := map[string]string{"v0.1.0": "docker.io/meshwright/meshwright:v0.1.0", "v0.2.0": digest, "v0.3.0": "docker.io/meshwright/meshwright:v0.3.0"}
	for version, image := range want {
		if got := Image(version, lookup); got != image {
			t.Errorf("image of %s is %s, want %s", version, got, image)
		}
	}
}

func TestEndOfLifeIsADay(t *testing.T) {
	for version, want := range map[string]string{"v0.9.4": "2026-03-01", "v1.2.0": "", "v3.0.0": ""} {
		end, ok := history.EndOfLife(version)
		if ok != (want != "") || ok && end.Format(time.DateOnly) != want {
			t.Errorf("support of %s ends %v, %v; want %q", version, end, ok, want)
		}
	}
	for _, e := range Carried {
		if _, ok := Carried.EndOfLife(e.Version); ok != (e.EndOfLife != "") {
			t.Errorf("the end of life of %s is %q, which is no day", e.Version, e.EndOfLife)
		}
	}
}
