package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/rollout"
)

// off is a Deployment whose pods have another proxy than the wanted one.
func off(namespace, name string) rollout.Owner {
	return rollout.Owner{Kind: "Deployment", Namespace: namespace, Name: name, Wanted: "new", Off: true}
}

func on(o rollout.Owner, change func(*rollout.Owner)) rollout.Owner {
	change(&o)
	return o
}

// underWay was restarted some time ago.
func underWay(o rollout.Owner, ago time.Duration) rollout.Owner {
	return on(o, func(o *rollout.Owner) {
		o.RestartedFor, o.RestartedAt, o.Rolling = "new", begin.Add(-ago), true
	})
}

func TestRestarts(t *testing.T) {
	t.Parallel()
	type status = v1alpha1.WorkloadsStatus
	for name, tc := range map[string]struct {
		owners  []rollout.Owner
		wait    string
		want    string
		status  status
		blocked string
	}{
		"what has the proxy is left alone": {
			owners: []rollout.Owner{on(off("a", "x"), func(o *rollout.Owner) { o.Off = false })},
			status: status{Total: 1, Moved: 1},
		},
		"one in a namespace at once, two in all": {
			owners: []rollout.Owner{off("a", "x"), off("a", "y"), off("b", "x"), off("c", "x")},
			want:   "Deployment a/x, Deployment b/x", status: status{Total: 4, Waiting: 4},
		},
		"those under way count": {
			owners: []rollout.Owner{underWay(off("a", "x"), time.Minute), off("a", "y"), off("b", "x"), off("c", "x")},
			want:   "Deployment b/x", status: status{Total: 4, Waiting: 4},
		},
		"one that has the proxy and is not up is under way": {
			owners: []rollout.Owner{on(underWay(off("a", "x"), time.Minute), func(o *rollout.Owner) { o.Off = false }), off("a", "y")},
			status: status{Total: 2, Waiting: 2},
		},
		"one that does not come back has failed": {
			owners: []rollout.Owner{underWay(off("a", "x"), time.Hour)},
			status: status{Total: 1, Failed: 1}, blocked: "Deployment a/x was restarted at 2026-03-01T11:00:00Z and is not up with the proxy of new",
		},
		"a budget that allows nothing": {
			owners: []rollout.Owner{on(off("a", "x"), func(o *rollout.Owner) { o.Blocked = "PodDisruptionBudget a/x allows 0 disruptions" })},
			status: status{Total: 1, Waiting: 1}, blocked: "PodDisruptionBudget a/x allows 0 disruptions",
		},
		"one that is not up is not made worse": {
			owners: []rollout.Owner{on(off("a", "x"), func(o *rollout.Owner) { o.Rolling = true })},
			status: status{Total: 1, Waiting: 1}, blocked: "Deployment a/x is not up with all its pods",
		},
		"what cannot be restarted is named": {
			owners: []rollout.Owner{on(off("a", "x"), func(o *rollout.Owner) { o.Skip = "is paused" })},
			status: status{Total: 1, Skipped: 1}, blocked: "Deployment a/x is paused",
		},
		"an excluded owner, and one in an excluded namespace": {
			owners: []rollout.Owner{
				on(off("a", "x"), func(o *rollout.Owner) { o.Labels = map[string]string{"migrate": "no"} }),
				on(off("b", "x"), func(o *rollout.Owner) { o.NamespaceLabels = map[string]string{"migrate": "no"} }),
			},
			status: status{Total: 2, Skipped: 2},
		},
		"outside a window": {
			owners: []rollout.Owner{off("a", "x")}, wait: "the next window opens",
			status: status{Total: 1, Waiting: 1}, blocked: "the next window opens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wish := &v1alpha1.DataPlane{
				MaxConcurrent: ptr.To[int32](2), MaxUnavailablePerNamespace: ptr.To[int32](1),
				Exclude: &metav1.LabelSelector{MatchLabels: map[string]string{"migrate": "no"}},
			}
			restart, status, blocked, err := rollout.Restarts(tc.owners, wish, tc.wait, begin)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range restart {
				names = append(names, o.String())
			}
			if got := strings.Join(names, ", "); got != tc.want {
				t.Errorf("restarted are %q, want %q", got, tc.want)
			}
			if d := cmp.Diff(&tc.status, status); d != "" {
				t.Errorf("status (-want +got):\n%s", d)
			}
			if got := strings.Join(blocked, ", "); got != tc.blocked {
				t.Errorf("blocked by %q, want %q", got, tc.blocked)
			}
		})
	}
}

func TestEvictionsGoPodByPod(t *testing.T) {
	t.Parallel()
	type status = v1alpha1.WorkloadsStatus
	// begun has had a pod evicted that is up again.
	begun := func(namespace, name string) rollout.Owner {
		return on(underWay(off(namespace, name), time.Minute), func(o *rollout.Owner) { o.Rolling = false })
	}
	for name, tc := range map[string]struct {
		owners  []rollout.Owner
		wait    string
		want    string
		status  status
		blocked string
	}{
		"the first pod, at the pace of restarts": {
			owners: []rollout.Owner{off("a", "x"), off("a", "y"), off("b", "x"), off("c", "x")},
			want:   "Deployment a/x, Deployment b/x", status: status{Total: 4, Waiting: 4},
		},
		"the next pod once the former is up": {
			owners: []rollout.Owner{begun("a", "x"), off("a", "y"), off("b", "x"), off("c", "x")},
			want:   "Deployment a/x, Deployment b/x", status: status{Total: 4, Waiting: 4},
		},
		"no pod while one comes up": {
			owners: []rollout.Owner{underWay(off("a", "x"), time.Minute)}, status: status{Total: 1, Waiting: 1},
		},
		"not done before the last is up": {
			owners: []rollout.Owner{on(underWay(off("a", "x"), time.Minute), func(o *rollout.Owner) { o.Off = false })},
			status: status{Total: 1, Waiting: 1},
		},
		"done": {
			owners: []rollout.Owner{on(begun("a", "x"), func(o *rollout.Owner) { o.Off = false })}, status: status{Total: 1, Moved: 1},
		},
		"one whose pod does not come up has failed": {
			owners: []rollout.Owner{underWay(off("a", "x"), time.Hour)}, status: status{Total: 1, Failed: 1},
			blocked: "Deployment a/x was restarted at 2026-03-01T11:00:00Z and is not up with the proxy of new",
		},
		"a budget that allows no more pods, for as long as it takes": {
			owners: []rollout.Owner{on(begun("a", "x"), func(o *rollout.Owner) {
				o.Blocked, o.RestartedAt = "PodDisruptionBudget a/x allows 0 disruptions", begin.Add(-time.Hour)
			})},
			status: status{Total: 1, Waiting: 1}, blocked: "PodDisruptionBudget a/x allows 0 disruptions",
		},
		"outside a window": {
			owners: []rollout.Owner{begun("a", "x")}, wait: "the next window opens",
			status: status{Total: 1, Waiting: 1}, blocked: "the next window opens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wish := &v1alpha1.DataPlane{Restart: ptr.To(v1alpha1.RestartEvict), MaxConcurrent: ptr.To[int32](2), MaxUnavailablePerNamespace: ptr.To[int32](1)}
			evict, status, blocked, err := rollout.Restarts(tc.owners, wish, tc.wait, begin)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range evict {
				names = append(names, o.String())
			}
			if got := strings.Join(names, ", "); got != tc.want {
				t.Errorf("pods are evicted of %q, want %q", got, tc.want)
			}
			if d := cmp.Diff(&tc.status, status); d != "" {
				t.Errorf("status (-want +got):\n%s", d)
			}
			if got := strings.Join(blocked, ", "); got != tc.blocked {
				t.Errorf("blocked by %q, want %q", got, tc.blocked)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	night := []v1alpha1.Window{{Schedule: "0 22 * * 1-5", Duration: metav1.Duration{Duration: 4 * time.Hour}}}
	for name, tc := range map[string]struct {
		windows []v1alpha1.Window
		at      string
		want    string
	}{
		"none are always open":       {nil, "2026-03-02T12:00:00Z", ""},
		"at noon":                    {night, "2026-03-02T12:00:00Z", "the next window for restarts opens at 2026-03-02T22:00:00Z"},
		"when it opens":              {night, "2026-03-02T22:00:00Z", ""},
		"after midnight":             {night, "2026-03-03T01:59:59Z", ""},
		"when it is over":            {night, "2026-03-03T02:00:01Z", "the next window for restarts opens at 2026-03-03T22:00:00Z"},
		"in another time zone":       {night, "2026-03-02T23:00:00+01:00", ""},
		"at the weekend":             {night, "2026-03-07T23:00:00Z", "the next window for restarts opens at 2026-03-09T22:00:00Z"},
		"a day that never comes":     {[]v1alpha1.Window{{Schedule: "0 0 30 2 *"}}, "2026-03-02T12:00:00Z", "no window of spec.update.dataPlane.windows ever opens"},
		"the nearer one of two says": {append(night, v1alpha1.Window{Schedule: "0 13 * * *"}), "2026-03-02T12:00:00Z", "the next window for restarts opens at 2026-03-02T13:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := rollout.Shut(tc.windows, now); err != nil || got != tc.want {
				t.Errorf("shut is %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	if _, err := rollout.Shut([]v1alpha1.Window{{Schedule: "61 * * * *"}}, begin); err == nil || !strings.Contains(err.Error(), "windows[0].schedule") {
		t.Errorf("error is %v", err)
	}
}
