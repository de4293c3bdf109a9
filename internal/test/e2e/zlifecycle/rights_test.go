//go:build e2e

package zlifecycle

import (
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// as connects with the rights of a ServiceAccount.
func (w *world) as(namespace, name string) kubernetes.Interface {
	w.Helper()
	config := rest.CopyConfig(w.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + name,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// right is a request: verb, resource, namespace ("" is the cluster or all
// namespaces), name.
type right struct{ verb, group, resource, subresource, namespace, name string }

var accounts = map[string]struct {
	namespace string
	may, not  []right
}{
	"meshwright-operator": {operatorNamespace,
		[]right{
			{verb: "patch", group: "apps", resource: "deployments", namespace: "mesh-system"},
			{verb: "delete", resource: "secrets", namespace: "mesh-system", name: "meshwright-ca"},
			{verb: "patch", group: "admissionregistration.k8s.io", resource: "mutatingadmissionpolicies", name: "any"},
			{verb: "delete", group: "admissionregistration.k8s.io", resource: "mutatingadmissionpolicybindings", name: "any"},
		},
		[]right{
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-ca"},
			{verb: "delete", resource: "secrets", namespace: "mesh-system", name: "users-own"},
			{verb: "patch", resource: "namespaces", name: "default"},
			{verb: "update", group: "meshwright.io", resource: "meshrevisions", name: "life-0"},
			{verb: "update", resource: "pods", namespace: "mesh-system"},
			{verb: "create", group: "admissionregistration.k8s.io", resource: "validatingadmissionpolicies"},
			{verb: "get", resource: "configmaps", namespace: "default", name: "any"},
		}},
	"meshwright-discovery": {"mesh-system",
		[]right{
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-ca"},
			{verb: "watch", resource: "secrets", namespace: "mesh-ingress"},
			{verb: "watch", resource: "pods"},
		},
		[]right{
			{verb: "list", resource: "secrets", namespace: "mesh-system"},
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-injector-cert"},
			{verb: "get", resource: "secrets", namespace: operatorNamespace, name: "any"},
			{verb: "update", resource: "secrets", namespace: "mesh-ingress", name: "any"},
			{verb: "patch", group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations", name: "any"},
			{verb: "patch", group: "networking.istio.io", resource: "virtualservices", namespace: "default", name: "any"},
			{verb: "create", group: "apps", resource: "deployments", namespace: "mesh-system"},
		}},
	"meshwright-injector": {"mesh-system",
		[]right{
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-injector-cert"},
			{verb: "patch", group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations", name: "meshwright-injector-life"},
		},
		[]right{
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-ca"},
			{verb: "list", resource: "secrets", namespace: "mesh-system"},
			{verb: "create", group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations"},
			{verb: "list", resource: "pods"},
		}},
	"meshwright-gateway": {"mesh-ingress", nil,
		[]right{
			{verb: "get", resource: "secrets", namespace: "mesh-ingress", name: "any"},
			{verb: "list", resource: "pods", namespace: "mesh-ingress"},
			{verb: "get", resource: "configmaps", namespace: "mesh-ingress", name: "meshwright-ca-root"},
		}},
	"meshwright-debug": {"mesh-system",
		[]right{{verb: "get", group: "meshwright.io", resource: "meshrevisions", subresource: "debug"}},
		[]right{
			{verb: "get", group: "meshwright.io", resource: "meshrevisions"},
			{verb: "get", resource: "secrets", namespace: "mesh-system", name: "meshwright-ca"},
			{verb: "list", resource: "pods", namespace: "mesh-system"},
		}},
}

// nobodys are the rights that no part of ours has.
var nobodys = []right{
	{verb: "get", resource: "secrets", namespace: "kube-system", name: "any"},
	{verb: "list", resource: "secrets", namespace: "kube-system"},
	{verb: "get", resource: "secrets", namespace: "default", name: "any"},
	{verb: "list", resource: "secrets", namespace: "default"},
	{verb: "list", resource: "secrets"},
	{verb: "create", resource: "pods", subresource: "exec", namespace: "default"},
	{verb: "create", resource: "pods", subresource: "exec", namespace: "mesh-system"},
	{verb: "create", resource: "pods", subresource: "exec", namespace: "mesh-ingress"},
	{verb: "create", resource: "serviceaccounts", subresource: "token", namespace: "mesh-system"},
	{verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterrolebindings"},
	{verb: "create", group: "rbac.authorization.k8s.io", resource: "rolebindings", namespace: "mesh-system"},
	{verb: "escalate", group: "rbac.authorization.k8s.io", resource: "clusterroles"},
	{verb: "bind", group: "rbac.authorization.k8s.io", resource: "clusterroles"},
	{verb: "impersonate", resource: "users"},
	{verb: "patch", resource: "nodes"},
	{verb: "delete", resource: "namespaces"},
	{verb: "patch", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
}

// guarded are rights that the operator alone has, and that the API server keeps
// to what they are for.
var guarded = []right{
	{verb: "create", resource: "pods", namespace: "default"},
	{verb: "create", resource: "pods", namespace: "mesh-system"},
	{verb: "patch", group: "apps", resource: "deployments", namespace: "default"},
}

func TestOperatorCreatesNoPods(t *testing.T) {
	w := newWorld(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "no-pod-of-the-operators"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "any"}}},
	}
	_, err := w.as(operatorNamespace, "meshwright-operator").CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "in a dry run only") {
		t.Errorf("the answer is %v", err)
	}
}

func TestServiceAccountsHaveTheirRightsAndNoMore(t *testing.T) {
	w := newWorld(t)
	for name, account := range accounts {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, Cluster: w.Cluster, objects: w.objects}
			user := w.as(account.namespace, name)
			not := slices.Concat(account.not, nobodys)
			if name != "meshwright-operator" {
				not = append(not, guarded...)
			}
			for want, rights := range map[bool][]right{true: account.may, false: not} {
				for _, r := range rights {
					review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
						Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource, Namespace: r.namespace, Name: r.name,
					}}}
					review, err := user.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
					if err != nil {
						t.Fatal(err)
					}
					if review.Status.Allowed != want {
						t.Errorf("%+v is allowed: %t, want %t", r, review.Status.Allowed, want)
					}
				}
			}
			for _, namespace := range slices.Concat(operandNamespaces, []string{operatorNamespace, "default", "kube-system"}) {
				w.noWildcard(user, namespace)
			}
		})
	}
}

// noWildcard looks at all that a user may do in a namespace.
func (w *world) noWildcard(user kubernetes.Interface, namespace string) {
	w.Helper()
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	review, err := user.AuthorizationV1().SelfSubjectRulesReviews().Create(w.Context(), review, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if review.Status.Incomplete || len(review.Status.ResourceRules) == 0 {
		w.Errorf("the rules in %s are not all told: %+v", namespace, review.Status)
	}
	for _, rule := range review.Status.ResourceRules {
		for _, words := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources} {
			if slices.Contains(words, "*") {
				w.Errorf("a wildcard in %s: %+v", namespace, rule)
			}
		}
	}
}
