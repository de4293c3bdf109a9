package check

import (
	"time"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Facts are what was read of a cluster. What could not be read has its error in
// Unread, under the ID of the probe that needs it.
type Facts struct {
	Now    time.Time
	Unread map[string]error

	// Kubernetes is the version of the API server, such as v1.36.1.
	Kubernetes string
	// Policies is true where it serves MutatingAdmissionPolicy.
	Policies bool
	// Rights are those that an installation needs, for the user who asks.
	Rights []Right
	// Kinds are the resources that the API server has, such as
	// meshinstalls.meshwright.io.
	Kinds map[string]bool
	// Injectors are the webhooks of others that answer to the labels by which
	// pods ask for a sidecar, by the name of their configuration.
	Injectors []string

	Operators []Deployment
	// Leader is who holds the operator's lease, and LeaderSeen when it said so
	// last; empty for nobody.
	Leader     string
	LeaderSeen time.Time
	Installs   []v1alpha1.MeshInstall
	// Doors are the names of the policies and webhooks of the mesh that inject, by
	// revision, and what they lack.
	Doors []Door
	// Trials are pods that were created in a dry run, one for each MeshInstall.
	Trials []Trial
	// Certificates are the public ones by which the mesh is trusted.
	Certificates []Certificate
	// Proxies are those that are connected.
	Proxies []Proxy
	// Sidecars are the running pods that have one, and Old those of them with the
	// proxy of a revision that does not serve, as namespace/name.
	Sidecars, Old []string
	// Problems are those of the objects of the mesh's users.
	Problems []Problem
}

// Right is what a user may do, or not.
type Right struct {
	Verb, Resource string
	Allowed        bool
}

// Deployment is one of the operator.
type Deployment struct {
	Name           string
	Ready, Desired int32
}

// Door is what injects the pods of a revision.
type Door struct {
	Revision, Name string
	// Lacks says what keeps it from injecting; empty when nothing does.
	Lacks string
}

// Trial is a pod that was created in a dry run.
type Trial struct {
	Namespace string
	// Revision is the one whose sidecar it got, Refusal why it was refused.
	Revision, Refusal string
	// Wanted is the revision whose sidecar it should have got.
	Wanted string
}

// Certificate is one that ends.
type Certificate struct {
	Name string
	Ends time.Time
}

// Proxy is one that is connected to discovery.
type Proxy struct {
	// Name is namespace/pod.
	Name string
	// Refused is the first resource that it refuses, and why.
	Refused string
	// Waits is since when it has not answered, the zero time for one that did.
	Waits time.Time
}

// Problem is one of an object.
type Problem struct {
	// Text has the object, the field and what to do.
	Text string
	// Refused: the object has no effect. Unserved: right, but not served yet.
	Refused, Unserved bool
}
