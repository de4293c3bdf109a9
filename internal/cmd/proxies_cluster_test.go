package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/freeport"
)

// readers are people: one who may look, one who may not ask for the token, one
// who may not list pods.
const readers = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: may-look, namespace: mesh-system}
rules:
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [meshwright-debug], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: may-list, namespace: mesh-system}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: may-look, namespace: mesh-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: may-look}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: looker}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: may-list, namespace: mesh-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: may-list}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: lister}]
`

// discoveryPod is a pod of discovery's in mesh-system.
func discoveryPod(name, ready string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: mesh-system
  labels: {app.kubernetes.io/part-of: meshwright, meshwright.io/component: discovery, meshwright.io/revision: demo-1}
spec: {containers: [{name: discovery, image: meshwright}]}
status: {phase: Running, conditions: [{type: Ready, status: "%s"}]}
`, name, ready)
}

// asUser is a client of this user's, with the rights that bindings give.
func (c *cluster) asUser(name string) kubernetes.Interface {
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: []string{"system:authenticated"}}
	return kubernetes.NewForConfigOrDie(config)
}

// shipDebugRights applies what the operator's chart ships for the debug
// endpoints and returns the binding.
func shipDebugRights(t *testing.T, c *cluster) (binding client.Object) {
	t.Helper()
	shipped, err := plan.Operator("meshwright-operator", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range shipped {
		if !strings.HasPrefix(o.GetName(), debugAccount) {
			continue
		}
		if err := c.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if o.GetKind() == "ClusterRoleBinding" {
			binding = o
		}
	}
	return binding
}

// TestProxiesAsksDiscoveryWithATokenOfItsReader joins the command and a
// discovery that authenticates over a real API server, with the rights that the
// operator's chart ships. Only the forwarded port is a short cut: nothing runs
// the pods.
func TestProxiesAsksDiscoveryWithATokenOfItsReader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mesh-system", "shop")
	binding := shipDebugRights(t, c)
	c.apply(t, readers)
	c.apply(t, discoveryPod("away-1", "False"))
	d := c.discover(t, "--secure-address", freeport.Address(t), "--namespace", "mesh-system")
	e := newEnvoy(t, frontNode)
	e.connect(t, d)
	read := func(user string, forward func(context.Context, *corev1.Pod) (string, error)) ([]string, error) {
		rows, err := (&discoveryReader{client: c.asUser(user), forward: forward}).read(t.Context(), "mesh-system", "")
		var got []string
		for _, r := range newest(rows) {
			got = append(got, r.Namespace+"/"+r.Name+" of "+r.Revision)
		}
		return got, err
	}
	direct := func(ctx context.Context, _ *corev1.Pod) (string, error) { return d.http, ctx.Err() }

	t.Run("no pod that is not ready is asked", func(t *testing.T) {
		if _, err := read("looker", direct); err == nil || !strings.Contains(err.Error(), "no discovery pod is ready, of 1") {
			t.Errorf("error %v, want one that says so", err)
		}
	})
	c.apply(t, discoveryPod("discovery-1", "True"))
	c.apply(t, discoveryPod("discovery-2", "True"))
	t.Run("a proxy that two pods speak of is shown once, with its revision", func(t *testing.T) {
		eventually(t, func() string {
			got, err := read("looker", direct)
			if err != nil {
				return err.Error()
			}
			return cmp.Diff([]string{"shop/front-1 of demo-1"}, got)
		})
	})
	t.Run("pods of another MeshInstall are not asked", func(t *testing.T) {
		_, err := (&discoveryReader{client: c.asUser("looker"), forward: direct}).read(t.Context(), "mesh-system", "other")
		if err == nil || !strings.Contains(err.Error(), "of 0 with labels") || !strings.Contains(err.Error(), "install=other") {
			t.Errorf("error %v, want one that says that there is none", err)
		}
	})
	t.Run("a pod that does not answer is named, beside what the others say", func(t *testing.T) {
		got, err := read("looker", func(_ context.Context, pod *corev1.Pod) (string, error) {
			if pod.Name == "discovery-2" {
				return "", errors.New("no kubelet")
			}
			return d.http, nil
		})
		if diff := cmp.Diff([]string{"shop/front-1 of demo-1"}, got); diff != "" {
			t.Errorf("proxies (-want +got):\n%s", diff)
		}
		if err == nil || err.Error() != "pod mesh-system/discovery-2: forward a port: no kubelet" {
			t.Errorf("error %v, want one that names the pod", err)
		}
	})
	t.Run("who may not ask for the token reads nothing", func(t *testing.T) {
		if got, err := read("lister", direct); len(got) > 0 || err == nil || !strings.Contains(err.Error(), `cannot create resource "serviceaccounts/token"`) {
			t.Errorf("%v, error %v, want one that names the right", got, err)
		}
	})
	t.Run("who may not list pods everywhere is told of one namespace", func(t *testing.T) {
		_, err := (&discoveryReader{client: c.asUser("looker"), forward: direct}).read(t.Context(), "", "")
		if err == nil || !strings.Contains(err.Error(), "--mesh-namespace") {
			t.Errorf("error %v, want one with --mesh-namespace", err)
		}
	})
	t.Run("without a token discovery tells nothing", func(t *testing.T) {
		if out, err := runCommand(t, "proxies", "--address", d.http); out != "" || err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%q, error %v, want 401", out, err)
		}
	})
	t.Run("an account whose right was taken away reads nothing", func(t *testing.T) {
		if err := c.client.Delete(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			got, err := read("looker", direct)
			if err == nil || !strings.Contains(err.Error(), "may not get meshrevisions/debug") {
				return fmt.Sprintf("%v, error %v, want a refusal", got, err)
			}
			return ""
		})
	})
}
