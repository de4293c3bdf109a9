package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// The IDs of probes by which Facts.Unread is filled.
const (
	Reach         = "kubernetes-api"
	Version       = "kubernetes-version"
	Rights        = "rights-to-install"
	OwnKinds      = "crds-meshwright"
	IstioKinds    = "crds-istio"
	Operator      = "operator-ready"
	Leader        = "operator-leader"
	Installs      = "meshinstall-ready"
	Injectors     = "injection-others"
	Doors         = "injection-door"
	DryRun        = "injection-dry-run"
	Roots         = "certificates-root"
	Connected     = "proxies-connected"
	Configuration = "configuration-refused"
	unserved      = "configuration-unserved"
	acknowledged  = "proxies-acknowledged"
	versions      = "proxies-version"
	degraded      = "meshinstall-degraded"
	components    = "control-plane-ready"
	unmeshed      = "injection-unmeshed"
)

// Ours and Istios are the resources that the API server has to have, and those
// that the mesh reads where they are.
var (
	Ours   = []string{"meshinstalls.meshwright.io", "meshrevisions.meshwright.io"}
	Istios = []string{"destinationrules.networking.istio.io", "gateways.networking.istio.io", "peerauthentications.security.istio.io", "sidecars.networking.istio.io", "virtualservices.networking.istio.io"}
)

const (
	// leaderSilence is how long a leader may say nothing.
	leaderSilence = time.Minute
	// endsSoon is how long before its end a certificate is warned of.
	endsSoon = 90 * 24 * time.Hour
	// answersLate is how long a proxy may take to answer.
	answersLate = 10 * time.Second
)

// probes are all that is looked at, in order.
var probes = []probe{
	{Reach, "kubernetes", "the API server answers", true, true, func(f *Facts) finding { return fine("%s", f.Kubernetes) }},
	{Version, "kubernetes", "it is new enough", true, true, lookAtVersion},
	{Rights, "kubernetes", "you may install the operator", true, false, lookAtRights},
	{OwnKinds, "custom resources", "those of Meshwright are there", false, true, func(f *Facts) finding { return unless(f.missing(Ours), Failure, "") }},
	{IstioKinds, "custom resources", "those of Istio are there", true, true, func(f *Facts) finding { return unless(f.missing(Istios), Warning, "") }},
	{Operator, "operator", "it runs", false, true, lookAtOperator},
	{Leader, "operator", "one of its pods leads", false, true, lookAtLeader},
	{Installs, "mesh", "every MeshInstall is ready", false, true, lookAtInstalls},
	{degraded, "mesh", "none is degraded", false, true, lookAtDegraded},
	{components, "mesh", "the control plane and the gateways are up", false, true, lookAtComponents},
	{Injectors, "injection", "nobody else answers to the same labels", true, true, func(f *Facts) finding { return unless(f.Injectors, Warning, "") }},
	{Doors, "injection", "the revision that serves injects", false, true, lookAtDoors},
	{DryRun, "injection", "a pod that asks for a sidecar gets it, in a dry run", false, true, lookAtTrials},
	{unmeshed, "injection", "no pod came up without the sidecar that it asks for", false, true, lookAtUnmeshed},
	{Roots, "certificates", "none ends soon", false, true, lookAtCertificates},
	{Connected, "proxies", "every sidecar is connected to discovery", false, true, lookAtConnected},
	{acknowledged, "proxies", "all took their configuration", false, true, lookAtAcknowledged},
	{versions, "proxies", "all are of the revision that serves", false, true, lookAtVersions},
	{Configuration, "configuration", "no object is refused", false, true, func(f *Facts) finding {
		return unless(f.problems(func(p Problem) bool { return !p.Unserved }), f.worst(), "")
	}},
	{unserved, "configuration", "all that is written is served", false, true, func(f *Facts) finding {
		return unless(f.problems(func(p Problem) bool { return p.Unserved }), Warning, "")
	}},
}

func lookAtVersion(f *Facts) finding {
	newest := plan.Carried.Versions()[len(plan.Carried.Versions())-1]
	var invalid *plan.Invalid
	if err := plan.Carried.Check(plan.Move{To: newest, Kubernetes: f.Kubernetes, Now: f.Now}); errors.As(err, &invalid) && invalid.Reason == v1alpha1.ReasonKubernetesTooOld {
		return finding{state: Failure, details: []string{invalid.Message}}
	}
	if f.Policies {
		return fine("the API server itself injects pods")
	}
	return fine("a webhook injects pods")
}

func lookAtRights(f *Facts) finding {
	var missing []string
	for _, r := range f.Rights {
		if !r.Allowed {
			missing = append(missing, "you may not "+r.Verb+" "+r.Resource)
		}
	}
	return unless(missing, Failure, "")
}

func (f *Facts) missing(names []string) []string {
	var out []string
	for _, name := range names {
		if !f.Kinds[name] {
			out = append(out, name+" is not there")
		}
	}
	return out
}

func lookAtOperator(f *Facts) finding {
	var wrong []string
	for _, d := range f.Operators {
		if d.Ready == 0 {
			wrong = append(wrong, fmt.Sprintf("Deployment %s has 0 of %d pods ready", d.Name, d.Desired))
		}
	}
	if len(f.Operators) == 0 {
		wrong = []string{"there is no Deployment of it"}
	}
	return unless(wrong, Failure, "")
}

func lookAtLeader(f *Facts) finding {
	silence := f.Now.Sub(f.LeaderSeen)
	switch {
	case f.Leader == "":
		return finding{state: Failure, details: []string{"nobody holds the lease meshwright-operator"}}
	case silence > leaderSilence:
		return finding{state: Failure, details: []string{fmt.Sprintf("%s said so last %s ago", f.Leader, silence.Round(time.Second))}}
	}
	return fine("%s", f.Leader)
}

// condition is one of a MeshInstall as it speaks about the current generation;
// nil when none does.
func condition(install *v1alpha1.MeshInstall, kind string) *metav1.Condition {
	c := meta.FindStatusCondition(install.Status.Conditions, kind)
	if c == nil || c.ObservedGeneration != install.Generation {
		return nil
	}
	return c
}

func lookAtInstalls(f *Facts) finding {
	if len(f.Installs) == 0 {
		return finding{state: Failure, details: []string{"there is no MeshInstall"}}
	}
	state := Warning
	var wrong, names []string
	for i := range f.Installs {
		install := &f.Installs[i]
		names = append(names, install.Name)
		ready, stalled := condition(install, v1alpha1.ConditionReady), condition(install, v1alpha1.ConditionStalled)
		switch {
		case ready == nil:
			wrong = append(wrong, install.Name+": the operator has not looked at it yet")
		case stalled != nil && stalled.Status == metav1.ConditionTrue:
			state = Failure
			first, _, _ := strings.Cut(stalled.Message, "\n")
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", install.Name, stalled.Reason, first))
		case ready.Status != metav1.ConditionTrue:
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", install.Name, ready.Reason, ready.Message))
		}
	}
	return unless(wrong, state, strings.Join(names, ", "))
}

func lookAtDegraded(f *Facts) finding {
	var wrong []string
	for i := range f.Installs {
		if c := condition(&f.Installs[i], v1alpha1.ConditionDegraded); c != nil && c.Status == metav1.ConditionTrue {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", f.Installs[i].Name, c.Reason, c.Message))
		}
	}
	return unless(wrong, Warning, "")
}

func lookAtComponents(f *Facts) finding {
	state := Warning
	var wrong []string
	for i := range f.Installs {
		for _, c := range f.Installs[i].Status.Components {
			if c.Ready >= c.Desired {
				continue
			}
			if c.Ready == 0 {
				state = Failure
			}
			wrong = append(wrong, fmt.Sprintf("%s has %d of %d pods: %s", c.Name, c.Ready, c.Desired, c.Message))
		}
	}
	return unless(wrong, state, "")
}

func lookAtDoors(f *Facts) finding {
	var wrong, names []string
	for i := range f.Installs {
		active := f.Installs[i].Status.ActiveRevision
		at := slices.IndexFunc(f.Doors, func(d Door) bool { return d.Revision == active })
		switch {
		case active == "":
			wrong = append(wrong, f.Installs[i].Name+": no revision serves")
		case at < 0:
			wrong = append(wrong, "there is neither policy nor webhook of revision "+active)
		case f.Doors[at].Lacks != "":
			wrong = append(wrong, f.Doors[at].Name+": "+f.Doors[at].Lacks)
		default:
			names = append(names, f.Doors[at].Name)
		}
	}
	return unless(wrong, Failure, strings.Join(names, ", "))
}

func lookAtTrials(f *Facts) finding {
	var wrong, said []string
	state := Failure
	for _, t := range f.Trials {
		switch {
		case t.Refusal != "":
			wrong = append(wrong, fmt.Sprintf("in namespace %s it is refused: %s", t.Namespace, t.Refusal))
		case t.Revision == "":
			wrong = append(wrong, fmt.Sprintf("in namespace %s it gets none", t.Namespace))
		case t.Revision != t.Wanted:
			state = Warning
			wrong = append(wrong, fmt.Sprintf("in namespace %s it gets that of %s, and %s serves", t.Namespace, t.Revision, t.Wanted))
		default:
			said = append(said, "namespace "+t.Namespace)
		}
	}
	return unless(wrong, state, strings.Join(said, ", "))
}

func lookAtUnmeshed(f *Facts) finding {
	var wrong []string
	for i := range f.Installs {
		if u := f.Installs[i].Status.Unmeshed; u != nil {
			wrong = append(wrong, u.Names...)
			if more := int(u.Workloads) - len(u.Names); more > 0 {
				wrong = append(wrong, fmt.Sprintf("and %d more", more))
			}
		}
	}
	return unless(wrong, Warning, "")
}

func lookAtCertificates(f *Facts) finding {
	if len(f.Certificates) == 0 {
		return finding{state: Failure, details: []string{"the mesh has no root certificate yet"}}
	}
	state := Warning
	var wrong []string
	first := f.Certificates[0]
	for _, c := range f.Certificates {
		if c.Ends.Before(first.Ends) {
			first = c
		}
		if c.Ends.Before(f.Now) {
			state = Failure
		}
		if c.Ends.Before(f.Now.Add(endsSoon)) {
			wrong = append(wrong, fmt.Sprintf("%s ends at %s", c.Name, c.Ends.UTC().Format(time.RFC3339)))
		}
	}
	return unless(wrong, state, "the first ends "+first.Ends.UTC().Format(time.DateOnly))
}

func lookAtConnected(f *Facts) finding {
	var wrong []string
	for _, name := range f.Sidecars {
		if !slices.ContainsFunc(f.Proxies, func(p Proxy) bool { return p.Name == name }) {
			wrong = append(wrong, name+" is not")
		}
	}
	return unless(wrong, Warning, fmt.Sprintf("%d in all", len(f.Proxies)))
}

func lookAtAcknowledged(f *Facts) finding {
	state := Warning
	var wrong []string
	for _, p := range f.Proxies {
		switch {
		case p.Refused != "":
			state = Failure
			wrong = append(wrong, p.Name+" refuses "+p.Refused)
		case !p.Waits.IsZero() && f.Now.Sub(p.Waits) > answersLate:
			wrong = append(wrong, fmt.Sprintf("%s has not answered for %s", p.Name, f.Now.Sub(p.Waits).Round(time.Second)))
		}
	}
	return unless(wrong, state, "")
}

func lookAtVersions(f *Facts) finding {
	var wrong []string
	for _, name := range f.Old {
		wrong = append(wrong, name+" has that of another")
	}
	return unless(wrong, Warning, "")
}

func (f *Facts) problems(wanted func(Problem) bool) []string {
	var out []string
	for _, p := range f.Problems {
		if wanted(p) {
			out = append(out, p.Text)
		}
	}
	return out
}

// worst is Failure when an object has no effect, else Warning.
func (f *Facts) worst() State {
	if slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Refused }) {
		return Failure
	}
	return Warning
}
