package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// restartDeadline is how long a restarted owner may take before it counts as
// one that failed.
const restartDeadline = 10 * time.Minute

// maxBlocked is how many reasons are listed.
const maxBlocked = 10

// Owner is what makes pods with a proxy, such as a Deployment.
type Owner struct {
	Kind, Namespace, Name string
	// Labels are its own and those of its namespace.
	Labels, NamespaceLabels map[string]string
	// Wanted is the revision that its pods are to have, Off is true when one has
	// another.
	Wanted string
	Off    bool
	// Skip says why it cannot be restarted; empty for one that can.
	Skip string
	// Blocked says what a restart has to wait for.
	Blocked string
	// Rolling is true while its pods are not all up and as its template is.
	Rolling bool
	// RestartedFor and RestartedAt are those of the last restart by us.
	RestartedFor string
	RestartedAt  time.Time
	// Pod is one that has another proxy, the next to be evicted.
	Pod, PodUID string
	// Asking are the labels by which a pod of it asks for a sidecar that it came
	// up without, unmeshedAt is when the newest of such pods was made.
	Asking     map[string]string
	unmeshedAt time.Time
}

// Without says that a pod with these labels, made then, came up without the
// sidecar that it asks for.
func (o *Owner) Without(made time.Time, labels map[string]string) {
	o.Off = true
	if o.Unmeshed() && made.Before(o.unmeshedAt) {
		return
	}
	o.unmeshedAt, o.Asking = made, map[string]string{}
	for _, name := range []string{labelRevision, labelInject} {
		if value, ok := labels[name]; ok {
			o.Asking[name] = value
		}
	}
}

// Unmeshed reports whether a pod of it came up without the sidecar that it asks
// for.
func (o *Owner) Unmeshed() bool { return o.Asking != nil }

// String is the kind and the name, as people write it.
func (o Owner) String() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

// Restarts decides which owners are restarted now, of all that have a pod with a
// proxy, and says how far the rest is. By eviction an owner comes again for each
// of its pods. wait says why nobody may begin, empty when
// one may. The error is a selector that cannot be read.
func Restarts(owners []Owner, wish *v1alpha1.DataPlane, wait string, now time.Time) ([]Owner, *v1alpha1.WorkloadsStatus, []string, error) {
	excluded := labels.Nothing()
	if e := wish.Exclude; e != nil && len(e.MatchLabels)+len(e.MatchExpressions) > 0 {
		var err error
		if excluded, err = metav1.LabelSelectorAsSelector(e); err != nil {
			return nil, nil, nil, fmt.Errorf("read spec.update.dataPlane.exclude: %w", err)
		}
	}
	p := &pace{wish: wish, wait: wait, now: now, status: &v1alpha1.WorkloadsStatus{}, busy: map[string]int32{}}
	var candidates, next []Owner
	evict := wish.Restart != nil && *wish.Restart == v1alpha1.RestartEvict
	for _, o := range owners {
		p.status.Total++
		if o.Unmeshed() && o.unmeshedAt.Sub(o.RestartedAt) > restartDeadline {
			o.RestartedFor = "" // what was restarted then has a new fault
		}
		switch {
		case !o.Off && (!o.Rolling || o.RestartedFor != o.Wanted):
			p.status.Moved++
		case excluded.Matches(labels.Set(o.Labels)) || excluded.Matches(labels.Set(o.NamespaceLabels)):
			p.status.Skipped++
		case o.Skip != "":
			p.status.Skipped++
			p.block("%s %s", o, o.Skip)
		case evict && o.RestartedFor == o.Wanted && o.Off && !o.Rolling:
			p.status.Waiting++ // one of its pods came back, the next may go
			p.total++
			p.busy[o.Namespace]++
			if reason := cmp.Or(wait, o.Blocked); reason != "" {
				p.block("%s", reason)
			} else {
				next = append(next, o)
			}
		case o.RestartedFor == o.Wanted && now.Sub(o.RestartedAt) < restartDeadline:
			p.status.Waiting++ // it is on its way
			p.total++
			p.busy[o.Namespace]++
		case o.RestartedFor == o.Wanted:
			p.status.Failed++
			p.block("%s was restarted at %s and is not up with the proxy of %s", o, o.RestartedAt.UTC().Format(time.RFC3339), o.Wanted)
		default:
			p.status.Waiting++
			candidates = append(candidates, o)
		}
	}
	return append(next, p.choose(candidates)...), p.status, p.blocked, nil
}

// pace is how much may go on at once.
type pace struct {
	wish    *v1alpha1.DataPlane
	wait    string
	now     time.Time
	status  *v1alpha1.WorkloadsStatus
	blocked []string
	// total and busy, by namespace, are on their way.
	total int32
	busy  map[string]int32
}

func (p *pace) block(format string, args ...any) {
	if len(p.blocked) < maxBlocked {
		p.blocked = append(p.blocked, fmt.Sprintf(format, args...))
	}
}

func (p *pace) choose(candidates []Owner) []Owner {
	if len(candidates) > 0 && p.wait != "" {
		p.block("%s", p.wait)
		return nil
	}
	slices.SortFunc(candidates, func(a, b Owner) int { return strings.Compare(a.String(), b.String()) })
	var out []Owner
	for _, o := range candidates {
		switch {
		case p.total >= *p.wish.MaxConcurrent:
			return out
		case p.busy[o.Namespace] >= *p.wish.MaxUnavailablePerNamespace:
		case o.Blocked != "":
			p.block("%s", o.Blocked)
		case o.Rolling:
			p.block("%s is not up with all its pods", o)
		default:
			p.total++
			p.busy[o.Namespace]++
			out = append(out, o)
		}
	}
	return out
}
