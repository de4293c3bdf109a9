package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

const operatorNamespace = "meshwright-operator"

// operatorUser is whom the operator is to the API server: all its requests in
// these tests are made with the rights that the chart gives, and no others.
const operatorUser = "system:serviceaccount:" + operatorNamespace + ":meshwright-operator"

// operatorAgent tells the operator's requests in the audit log, which has the
// impersonating user.
const operatorAgent = "operator-under-test"

// poll is how often a test looks again.
const poll = 50 * time.Millisecond

// watching is the administrator's client in the form that interceptors take.
func (w *world) watching() client.WithWatch {
	w.Helper()
	c, err := client.NewWithWatch(w.unlimited(), client.Options{Scheme: w.client.Scheme()})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// world is the cluster as the administrator sees it.
type world struct {
	*testing.T
	server *apiserver.Server
	client client.Client
	ctx    context.Context
	passed time.Duration // how far the clock of reconcilers is ahead
}

// now is what reconcilers that run when they are called take for the time.
func (w *world) now() time.Time { return time.Now().Add(w.passed) }

// newWorld has the operator's chart installed, but no operator running. When
// the test ends, MeshInstalls are removed by an operator. The test runs in
// parallel with others, each in a world of its own.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{T: t, server: takeServer(t), ctx: context.Background()}
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(w.unlimited(), client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	w.client = c
	t.Cleanup(w.sweep)
	objects, err := plan.Operator(operatorNamespace, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	namespace.SetName(operatorNamespace)
	for _, o := range append([]*unstructured.Unstructured{namespace}, objects...) {
		if err := c.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership); err != nil {
			t.Fatalf("install the chart's %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	return w
}

// unlimited connects as the administrator, without a limit of requests.
func (w *world) unlimited() *rest.Config {
	config := rest.CopyConfig(w.server.Config)
	config.QPS = -1
	return config
}

// operatorConfig connects with the operator's rights.
func (w *world) operatorConfig() *rest.Config {
	config := rest.CopyConfig(w.server.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: operatorUser, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace, "system:authenticated"}}
	config.UserAgent = operatorAgent
	config.QPS, config.Burst = 200, 200
	return config
}

func operatorOptions() Options {
	return Options{
		Namespace: operatorNamespace, MeshNamespaces: []string{"mesh-system"}, GatewayNamespaces: []string{"mesh-ingress", "mesh-egress"},
		MetricsAddress: "0", HealthAddress: "0", LeaseDuration: 15 * time.Second,
	}
}

// operate runs an operator until the test ends or the result is called, which
// waits for its end.
func (w *world) operate(config *rest.Config) (stop func() error) {
	w.Helper()
	return w.operateWith(config, operatorOptions())
}

func (w *world) operateWith(config *rest.Config, options Options) (stop func() error) {
	w.Helper()
	manager, err := NewManager(config, options)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	w.Cleanup(func() { _ = stop() })
	return stop
}

// runPods plays the rest of the cluster: Deployments become ready, load
// balancers get addresses, discovery writes its root, the injector its caBundle. What filter
// refuses does not.
func (w *world) runPods(filter func(name string) bool) {
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.tick(ctx, filter)
			time.Sleep(poll)
		}
	}()
	w.Cleanup(func() { cancel(); <-done })
}

func (w *world) tick(ctx context.Context, filter func(name string) bool) {
	var deployments appsv1.DeploymentList
	_ = w.client.List(ctx, &deployments, client.MatchingLabels{plan.LabelManagedBy: plan.ManagedBy})
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if filter(d.Name) && (d.Status.ObservedGeneration != d.Generation || d.Status.ReadyReplicas != *d.Spec.Replicas) {
			_ = w.setReady(ctx, d, *d.Spec.Replicas)
		}
		if filter(d.Name) && d.Labels[plan.LabelComponent] == "discovery" && d.DeletionTimestamp == nil {
			root := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: operandRoot}, Data: map[string]string{rootKey: "root of the test"}}
			_ = w.client.Create(ctx, root)
		}
	}
	var services corev1.ServiceList
	_ = w.client.List(ctx, &services, client.MatchingLabels{plan.LabelManagedBy: plan.ManagedBy})
	for i := range services.Items {
		o := &services.Items[i]
		if o.Spec.Type == corev1.ServiceTypeLoadBalancer && len(o.Status.LoadBalancer.Ingress) == 0 && filter(o.Name) {
			before := o.DeepCopy()
			o.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
			_ = w.client.Status().Patch(ctx, o, client.MergeFrom(before))
		}
	}
	webhooks := &unstructured.UnstructuredList{}
	webhooks.SetGroupVersionKind(Watched[3])
	_ = w.client.List(ctx, webhooks, client.MatchingLabels{plan.LabelManagedBy: plan.ManagedBy})
	for i := range webhooks.Items {
		if o := &webhooks.Items[i]; filter(o.GetName()) {
			_ = w.writeBundle(ctx, o)
		}
	}
}

func (w *world) setReady(ctx context.Context, d *appsv1.Deployment, pods int32) error {
	before := d.DeepCopy()
	available := corev1.ConditionTrue
	if pods == 0 {
		available = corev1.ConditionFalse
	}
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas, ReadyReplicas: pods, AvailableReplicas: pods,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: available, Reason: "Test"},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
		},
	}
	return w.client.Status().Patch(ctx, d, client.MergeFrom(before))
}

// writeBundle does as the injector does: a field manager of its own for the
// caBundle alone.
func (w *world) writeBundle(ctx context.Context, o *unstructured.Unstructured) error {
	list, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
	for _, entry := range list {
		webhook := entry.(map[string]any)
		if bundle, _, _ := unstructured.NestedString(webhook, "clientConfig", "caBundle"); bundle != "" {
			return nil
		}
	}
	before := o.DeepCopy()
	for i := range list {
		_ = unstructured.SetNestedField(list[i].(map[string]any), testBundle, "clientConfig", "caBundle")
	}
	_ = unstructured.SetNestedSlice(o.Object, list, "webhooks")
	return w.client.Patch(ctx, o, client.MergeFrom(before), client.FieldOwner("injector"))
}

// everything is a filter for runPods.
func everything(string) bool { return true }

// create makes a MeshInstall from the lines of its spec.
func (w *world) create(name, spec string) {
	w.Helper()
	install := &v1alpha1.MeshInstall{}
	if err := yaml.UnmarshalStrict([]byte("spec:\n  version: v0.1.0\n"+spec), install); err != nil {
		w.Fatal(err)
	}
	install.Name = name
	if err := w.client.Create(w.ctx, install, client.FieldOwner("git")); err != nil {
		w.Fatal(err)
	}
}

// remove deletes a MeshInstall and waits until it is gone; an operator must be
// running, or never have held it.
func (w *world) remove(name string) {
	w.Helper()
	install := &v1alpha1.MeshInstall{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := w.client.Delete(w.ctx, install); err != nil {
		w.Fatal(err)
	}
	w.eventually("MeshInstall "+name+" is gone", func() error {
		if err := w.client.Get(w.ctx, client.ObjectKey{Name: name}, install); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there, with finalizers %v: %w", install.Finalizers, err)
		}
		return nil
	})
}

// reconciler is the operator without its manager: it runs when it is called,
// reads from the API server, and writes as c does.
func (w *world) reconciler(c client.Client) *Reconciler {
	return &Reconciler{
		Clients: apply.Clients{Writer: c, Live: c, Cached: c}, Events: &events.FakeRecorder{}, Now: w.now,
		OperatorNamespace: operatorNamespace, MeshNamespaces: operatorOptions().MeshNamespaces, GatewayNamespaces: operatorOptions().GatewayNamespaces,
		memory: apply.NewMemory(w.now), Server: discovery.NewDiscoveryClientForConfigOrDie(w.server.Config),
		AdmissionPolicies: true, Roots: c, Discovery: &talk{},
	}
}

// sweep removes all MeshInstalls after a test.
func (w *world) sweep() {
	var list v1alpha1.MeshInstallList
	if err := w.client.List(w.ctx, &list); err != nil {
		w.Error(err)
	}
	r := w.reconciler(w.client)
	for i := range list.Items {
		install := &list.Items[i]
		w.removeAtOnce(install)
		if err := client.IgnoreNotFound(w.client.Delete(w.ctx, install)); err != nil {
			w.Error(err)
		}
		w.eventually("MeshInstall "+install.Name+" is swept away", func() error {
			if _, err := r.Reconcile(w.ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(install)}); err != nil {
				return err
			}
			if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(install), install); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there, with finalizers %v: %w", install.Finalizers, err)
			}
			return nil
		})
	}
	if own := w.own(); len(own) > 0 {
		w.Errorf("%d objects are left", len(own))
	}
}

// removeAtOnce lets a MeshInstall be removed whatever uses it.
func (w *world) removeAtOnce(install *v1alpha1.MeshInstall) {
	w.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"deletion":{"policy":"Immediate"}}}`))
	if err := client.IgnoreNotFound(w.client.Patch(w.ctx, install.DeepCopy(), patch)); err != nil {
		w.Error(err)
	}
}

// change edits the spec of the MeshInstall prod as its owner in Git does.
func (w *world) change(edit func(*v1alpha1.MeshInstallSpec)) {
	w.Helper()
	install := w.get("prod")
	before := install.DeepCopy()
	edit(&install.Spec)
	if err := w.client.Patch(w.ctx, install, client.MergeFrom(before), client.FieldOwner("git")); err != nil {
		w.Fatal(err)
	}
}

func (w *world) get(name string) *v1alpha1.MeshInstall {
	w.Helper()
	install := &v1alpha1.MeshInstall{}
	if err := w.client.Get(w.ctx, client.ObjectKey{Name: name}, install); err != nil {
		w.Fatal(err)
	}
	return install
}

// eventually waits until check has nothing to say.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	var err error
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(poll) {
		if err = check(); err == nil {
			return
		}
	}
	w.Fatalf("%s: never came true: %v", what, err)
}

// condition waits until a condition of the current generation is True with a
// reason, and returns it.
func (w *world) condition(name, kind, reason string) metav1.Condition {
	w.Helper()
	var found metav1.Condition
	w.eventually(fmt.Sprintf("MeshInstall %s has %s for the reason %s", name, kind, reason), func() error {
		install := w.get(name)
		c := meta.FindStatusCondition(install.Status.Conditions, kind)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != reason || c.ObservedGeneration != install.Generation {
			raw, _ := json.Marshal(install.Status)
			return fmt.Errorf("status is %s", raw)
		}
		found = *c
		return nil
	})
	return found
}

// ready waits for Ready with this generation and returns the MeshInstall.
func (w *world) ready(name string) *v1alpha1.MeshInstall {
	w.Helper()
	w.condition(name, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	return w.get(name)
}

// own are all objects that the operator made, by kind, namespace and name.
func (w *world) own() map[string]*unstructured.Unstructured {
	w.Helper()
	out := map[string]*unstructured.Unstructured{}
	kinds := append([]metav1.TypeMeta{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MeshRevision"}}, nil...)
	for _, gvk := range slices.Concat(Watched, policyKinds) {
		kinds = append(kinds, metav1.TypeMeta{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind})
	}
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(kind.APIVersion)
		list.SetKind(kind.Kind)
		if err := w.client.List(w.ctx, list, client.MatchingLabels{plan.LabelManagedBy: plan.ManagedBy}); err != nil {
			w.Fatal(err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			out[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = o
		}
	}
	return out
}

// events are the notes of the events of a reason about a MeshInstall.
func (w *world) events(uid types.UID, reason string) []string {
	w.Helper()
	var list eventsv1.EventList
	if err := w.client.List(w.ctx, &list); err != nil {
		w.Fatal(err)
	}
	var notes []string
	for _, e := range list.Items {
		if e.Regarding.UID == uid && e.Reason == reason {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

// operatorWrites are the operator's writes so far, without those in its own
// namespace: its lease, and Events that tell who leads.
func (w *world) operatorWrites() []apiserver.Write {
	w.Helper()
	var out []apiserver.Write
	for _, write := range w.server.Writes(w) {
		if write.UserAgent == operatorAgent && write.Namespace != operatorNamespace {
			out = append(out, write)
		}
	}
	return out
}

// testBundle stands for the injector's root certificate.
const testBundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI="
