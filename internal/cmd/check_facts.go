package cmd

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	discoveryclient "k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/ca/store"
	"github.com/meshwright/meshwright/internal/check"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/source"
)

// factReader reads what is judged of a cluster. A fact that cannot be read is
// noted, and the others are read all the same.
type factReader struct {
	options  *checkOptions
	config   *rest.Config
	client   kubernetes.Interface
	installs client.Reader
	facts    *check.Facts
}

// readFacts reads the facts of a cluster: all, or only those that matter before
// the installation.
func (o *checkOptions) readFacts(ctx context.Context) (*check.Facts, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	r := &factReader{
		options: o, config: config, client: clientset,
		facts: &check.Facts{Now: time.Now(), Unread: map[string]error{}, Kinds: map[string]bool{}},
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	version, err := clientset.Discovery().ServerVersionWithContext(ctx)
	if err != nil {
		r.facts.Unread[check.Reach] = err
		return r.facts, nil
	}
	r.facts.Kubernetes = version.GitVersion
	if r.installs, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	before := []factStep{{check.Rights, r.rights}, {check.OwnKinds, r.kinds}, {check.Injectors, r.injectors}}
	after := []factStep{
		{check.OwnKinds, r.kinds}, {check.Operator, r.operators}, {check.Leader, r.leader}, {check.Installs, r.meshInstalls}, {check.Injectors, r.injectors},
		{check.Doors, r.doors}, {check.DryRun, r.trials}, {check.Roots, r.roots}, {check.Connected, r.proxies}, {check.Configuration, r.configuration},
	}
	steps := after
	if o.before {
		steps = before
	}
	for _, step := range steps {
		if err := step.read(ctx); err != nil {
			r.facts.Unread[step.probe] = err
		}
	}
	return r.facts, nil
}

// factStep reads what one probe needs first.
type factStep struct {
	probe string
	read  func(context.Context) error
}

// installRights are what an installation by the operator's chart writes.
var installRights = []authorizationv1.ResourceAttributes{
	{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"},
	{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}, {Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"},
	{Group: "rbac.authorization.k8s.io", Resource: "roles"}, {Group: "rbac.authorization.k8s.io", Resource: "rolebindings"},
	{Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"}, {Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicybindings"},
	{Resource: "namespaces"}, {Resource: "serviceaccounts"}, {Group: "apps", Resource: "deployments"},
	{Group: v1alpha1.GroupVersion.Group, Resource: "meshinstalls"},
}

// rights asks what the user may do.
func (r *factReader) rights(ctx context.Context) error {
	for _, attributes := range installRights {
		attributes.Verb = "create"
		review, err := r.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("ask what you may do: %w", err)
		}
		name := strings.TrimSuffix(attributes.Resource+"."+attributes.Group, ".")
		r.facts.Rights = append(r.facts.Rights, check.Right{Verb: attributes.Verb, Resource: name, Allowed: review.Status.Allowed})
	}
	return nil
}

// kinds asks which resources the API server has.
func (r *factReader) kinds(ctx context.Context) error {
	_, lists, err := r.client.Discovery().ServerGroupsAndResourcesWithContext(ctx)
	if err != nil && !discoveryclient.IsGroupDiscoveryFailedError(err) {
		return fmt.Errorf("ask for the resources: %w", err)
	}
	for _, list := range lists {
		group, version, ok := strings.Cut(list.GroupVersion, "/")
		for i := range list.APIResources {
			if name := list.APIResources[i].Name; ok {
				r.facts.Kinds[name+"."+group] = true
				r.facts.Policies = r.facts.Policies || name == "mutatingadmissionpolicies" && version == "v1"
			}
		}
	}
	return nil
}

// askedFor are the labels of namespaces that ask for the meshes; where there is
// none yet, for one with the tag that it will have by itself.
func (r *factReader) askedFor() []labels.Set {
	var tags []string
	for i := range r.facts.Installs {
		tags = append(tags, plan.TagsOf(r.facts.Installs[i].Spec)...)
	}
	if len(r.facts.Installs) == 0 {
		tags = plan.TagsOf(v1alpha1.MeshInstallSpec{})
	}
	var out []labels.Set
	for _, tag := range tags {
		if tag == "default" {
			out = append(out, labels.Set{"istio-injection": "enabled"})
		}
		out = append(out, labels.Set{"istio.io/rev": tag})
	}
	return out
}

// injectors looks for webhooks of others that answer to labels by which pods ask
// for a mesh, and not to a namespace that asks for nothing.
func (r *factReader) injectors(ctx context.Context) error {
	all, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{LabelSelector: plan.LabelManagedBy + "!=" + plan.ManagedBy})
	if err != nil {
		return fmt.Errorf("list webhooks: %w", err)
	}
	for i := range all.Items {
		for _, w := range all.Items[i].Webhooks {
			answers := func(set labels.Set) bool {
				selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
				return err == nil && selector.Matches(set)
			}
			for _, set := range r.askedFor() {
				if answers(set) && !answers(labels.Set{}) {
					r.facts.Injectors = append(r.facts.Injectors, fmt.Sprintf("MutatingWebhookConfiguration %s answers to %s", all.Items[i].Name, set))
				}
			}
		}
	}
	slices.Sort(r.facts.Injectors)
	r.facts.Injectors = slices.Compact(r.facts.Injectors)
	return nil
}

// operators finds the operator's Deployments.
func (r *factReader) operators(ctx context.Context) error {
	all, err := r.client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=meshwright-operator"})
	if err != nil {
		return fmt.Errorf("list Deployments: %w", err)
	}
	for i := range all.Items {
		d := &all.Items[i]
		desired := int32(1)
		if d.Spec.Replicas != nil {
			desired = *d.Spec.Replicas
		}
		r.facts.Operators = append(r.facts.Operators, check.Deployment{Name: d.Namespace + "/" + d.Name, Ready: d.Status.ReadyReplicas, Desired: desired})
	}
	return nil
}

// operatorLease is the name of the operator's lease.
const operatorLease = "meshwright-operator"

// leader reads the lease, in the namespaces where an operator is.
func (r *factReader) leader(ctx context.Context) error {
	for _, d := range r.facts.Operators {
		namespace, _, _ := strings.Cut(d.Name, "/")
		lease, err := r.client.CoordinationV1().Leases(namespace).Get(ctx, operatorLease, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read lease %s/%s: %w", namespace, operatorLease, err)
		}
		if holder := lease.Spec.HolderIdentity; holder != nil && lease.Spec.RenewTime != nil && lease.Spec.RenewTime.After(r.facts.LeaderSeen) {
			r.facts.Leader, r.facts.LeaderSeen = *holder, lease.Spec.RenewTime.Time
		}
	}
	return nil
}

func (r *factReader) meshInstalls(ctx context.Context) error {
	if len(r.facts.Kinds) > 0 && !r.facts.Kinds[check.Ours[0]] {
		return nil // that is another probe's to say
	}
	var err error
	r.facts.Installs, err = readInstalls(ctx, r.installs, r.options.names())
	return err
}

// roots reads the certificates that the meshes publish.
func (r *factReader) roots(ctx context.Context) error {
	for i := range r.facts.Installs {
		namespace := r.facts.Installs[i].Spec.Namespace
		published, err := r.client.CoreV1().ConfigMaps(namespace).Get(ctx, store.BundleName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read config map %s/%s: %w", namespace, store.BundleName, err)
		}
		where := fmt.Sprintf("a root in ConfigMap %s/%s", namespace, store.BundleName)
		if err := r.certificates(where, []byte(published.Data[store.BundleKey])); err != nil {
			return err
		}
	}
	return nil
}

// certificates adds those of a bundle, PEM.
func (r *factReader) certificates(where string, bundle []byte) error {
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("read %s: %w", where, err)
		}
		r.facts.Certificates = append(r.facts.Certificates, check.Certificate{Name: where, Ends: certificate.NotAfter})
	}
}

// configuration reads the problems of the objects of each mesh; where there is
// none, of the whole cluster.
func (r *factReader) configuration(ctx context.Context) error {
	if len(r.facts.Installs) == 0 {
		return r.problems(ctx, source.Scope{})
	}
	for i := range r.facts.Installs {
		if err := r.problems(ctx, scopeOf(&r.facts.Installs[i])); err != nil {
			return err
		}
	}
	return nil
}

// problems reads those of the objects in a scope, as check -f does of files.
func (r *factReader) problems(ctx context.Context, scope source.Scope) error {
	objects, err := r.options.readCluster(ctx, scope)
	if err != nil {
		return err
	}
	for _, f := range judge(r.options.clusterDomain, objects, true) {
		name := strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")
		r.facts.Problems = append(r.facts.Problems, check.Problem{
			Text: fmt.Sprintf("%s %s %s: %s: %s", f.Kind, name, cmp.Or(f.Field, "-"), f.Reason, f.Message), Refused: f.Refused, Unserved: f.Unserved,
		})
	}
	return nil
}

// proxies asks discovery which proxies are connected, and the API server which
// pods have one.
func (r *factReader) proxies(ctx context.Context) error {
	pods, err := r.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		LabelSelector: "security.istio.io/tlsMode=istio,!" + plan.LabelComponent, FieldSelector: "status.phase=" + string(corev1.PodRunning),
	})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	serves := func(install v1alpha1.MeshInstall) string { return install.Status.ActiveRevision }
	for i := range pods.Items {
		p := &pods.Items[i]
		revision := p.Labels["istio.io/rev"]
		ours := slices.ContainsFunc(r.facts.Installs, func(install v1alpha1.MeshInstall) bool {
			return revision == install.Status.ActiveRevision || slices.ContainsFunc(install.Status.Revisions, func(s v1alpha1.RevisionStatus) bool { return s.Name == revision })
		})
		if !ours || p.DeletionTimestamp != nil {
			continue
		}
		name := p.Namespace + "/" + p.Name
		r.facts.Sidecars = append(r.facts.Sidecars, name)
		if !slices.ContainsFunc(r.facts.Installs, func(install v1alpha1.MeshInstall) bool { return serves(install) == revision }) {
			r.facts.Old = append(r.facts.Old, name)
		}
	}
	reader := &discoveryReader{client: r.client, forward: forwarder(r.config, r.client)}
	rows, err := reader.read(ctx, "", r.options.install)
	for _, row := range rows {
		proxy := check.Proxy{Name: row.Namespace + "/" + row.Name}
		for _, t := range row.Types {
			if !t.UnackedSince.IsZero() && (proxy.Waits.IsZero() || t.UnackedSince.Before(proxy.Waits)) {
				proxy.Waits = t.UnackedSince
			}
			for _, rejection := range t.Rejected {
				proxy.Refused = cmp.Or(proxy.Refused, rejection.Name+": "+rejection.Error)
			}
		}
		r.facts.Proxies = append(r.facts.Proxies, proxy)
	}
	return err
}
