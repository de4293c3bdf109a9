package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// leaderID names the lease of the operator's leader.
const leaderID = "meshwright-operator"

// Watched are the kinds of objects that plans are made of, beside those of
// admission policies. The operator watches its own of them, in the namespaces
// where it has rights.
var Watched = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "Service"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
}

// policyKinds are watched too where the API server has them.
var policyKinds = []schema.GroupVersionKind{
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicy"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicyBinding"},
}

var leaseList = coordinationv1.SchemeGroupVersion.WithKind("LeaseList")

// Options of the operator.
type Options struct {
	// Namespace is where the operator runs and has its lease.
	Namespace string
	// MeshNamespaces and GatewayNamespaces are those in which it has rights.
	MeshNamespaces, GatewayNamespaces []string
	// Image of the operands of a version; nil, or an empty answer, means the
	// version's own.
	Image func(version string) string
	// MetricsAddress and HealthAddress are served on; "0" turns one off.
	MetricsAddress, HealthAddress string
	// Discovery answers what proxies are connected; nil means over HTTP, with the
	// token in DiscoveryTokenFile.
	Discovery          Discovery
	DiscoveryTokenFile string
	// OperatorCondition is the name of OLM's object, in Namespace, by which OLM is
	// told whether the operator may be updated; empty without OLM.
	OperatorCondition string
	// LeaseDuration is how long a leader that is silent stays leader.
	LeaseDuration time.Duration
}

// NewManager is the whole operator, ready to be started: caches, leader
// election, health, metrics and the reconciler.
func NewManager(config *rest.Config, options Options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme, coordinationv1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	server, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of the API server's version: %w", err)
	}
	r := &Reconciler{
		Server: server,
		Now:    time.Now, Image: options.Image, OperatorNamespace: options.Namespace,
		MeshNamespaces: options.MeshNamespaces, GatewayNamespaces: options.GatewayNamespaces,
		memory: apply.NewMemory(time.Now),
	}
	if r.AdmissionPolicies, err = servesPolicies(server); err != nil {
		return nil, err
	}
	watched, err := r.cacheOptions()
	if err != nil {
		return nil, err
	}
	skip := true
	renew := options.LeaseDuration * 2 / 3
	retry := options.LeaseDuration / 8
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: watched,
		LeaderElection: true, LeaderElectionID: leaderID, LeaderElectionNamespace: options.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &options.LeaseDuration, RenewDeadline: &renew, RetryPeriod: &retry,
		Metrics:                metricsserver.Options{BindAddress: options.MetricsAddress},
		HealthProbeBindAddress: options.HealthAddress,
		// Several managers may live in one process, as in tests.
		Controller: controllerconfig.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	roots, err := r.rootCache(config)
	if err != nil {
		return nil, err
	}
	r.Roots = roots
	startAtZero(r.watched())
	r.Clients = apply.Clients{Writer: manager.GetClient(), Live: manager.GetAPIReader(), Cached: manager.GetCache()}
	r.Events = manager.GetEventRecorder(apply.FieldManager)
	if r.Discovery = options.Discovery; r.Discovery == nil {
		r.Discovery = overHTTP{options.DiscoveryTokenFile}
	}
	rollout := &Rollout{Clients: r.Clients, Events: manager.GetEventRecorder(rolloutManager), Now: r.Now, Discovery: r.Discovery}
	if options.OperatorCondition != "" {
		m := &mirror{clients: r.Clients, now: r.Now, key: client.ObjectKey{Namespace: options.Namespace, Name: options.OperatorCondition}}
		if err := m.register(manager); err != nil {
			return nil, fmt.Errorf("watch for OLM: %w", err)
		}
	}
	return manager, errors.Join(manager.Add(roots), r.register(manager, roots), rollout.register(manager), registerHealth(manager), registerMetrics())
}

// cacheOptions limits what is watched to our own objects in our namespaces, and
// to pods that may lack a sidecar.
func (r *Reconciler) cacheOptions() (cache.Options, error) {
	own := labels.SelectorFromSet(labels.Set{plan.LabelManagedBy: plan.ManagedBy})
	namespaces := map[string]cache.Config{}
	for _, namespace := range r.namespaces() {
		namespaces[namespace] = cache.Config{}
	}
	objects := map[client.Object]cache.ByObject{}
	for _, gvk := range r.watched() {
		by := cache.ByObject{Label: own}
		if !clusterScoped(gvk) {
			by.Namespaces = namespaces
		}
		objects[ofKind(gvk)] = by
	}
	return cache.Options{ByObject: objects}, watchUnmeshed(objects)
}

// clusterScoped tells the watched kinds that are in no namespace.
func clusterScoped(gvk schema.GroupVersionKind) bool {
	return gvk.Group == "admissionregistration.k8s.io"
}

func ofKind(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	return o
}

// register watches MeshInstalls and all that is made for them.
func (r *Reconciler) register(manager ctrl.Manager, roots cache.Cache) error {
	b := ctrl.NewControllerManagedBy(manager).Named("meshinstall").
		For(&v1alpha1.MeshInstall{}).
		Owns(&v1alpha1.MeshRevision{}).
		// What one asks for may be another's.
		Watches(&v1alpha1.MeshInstall{}, handler.EnqueueRequestsFromMapFunc(r.allInstalls), builder.WithPredicates(otherWish))
	if len(r.MeshNamespaces) > 0 {
		b = b.WatchesRawSource(source.Kind[client.Object](roots, &corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.allInstalls)))
	}
	for _, gvk := range r.watched() {
		// To the cache, no namespaces are all namespaces.
		if clusterScoped(gvk) || len(r.namespaces()) > 0 {
			b = b.Watches(ofKind(gvk), handler.EnqueueRequestsFromMapFunc(installOf))
		}
	}
	return onUnmeshed(b, r.Clients.Cached).Complete(r)
}

func (r *Reconciler) allInstalls(ctx context.Context, _ client.Object) []reconcile.Request {
	return allInstalls(ctx, r.Clients.Cached)
}

func allInstalls(ctx context.Context, cached client.Reader) []reconcile.Request {
	var all v1alpha1.MeshInstallList
	if err := cached.List(ctx, &all); err != nil {
		return nil
	}
	var out []reconcile.Request
	for _, install := range all.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKey{Name: install.Name}})
	}
	return out
}

// installOf is the MeshInstall that an object was made for.
func installOf(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetLabels()[plan.LabelInstall]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: name}}}
}

// registerHealth answers /healthz while the process lives, and /readyz once
// the caches hold what they watch.
func registerHealth(manager ctrl.Manager) error {
	synced := func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), time.Second)
		defer cancel()
		if !manager.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet")
		}
		return nil
	}
	return errors.Join(manager.AddHealthzCheck("ping", healthz.Ping), manager.AddReadyzCheck("caches", synced))
}

func registerMetrics() error {
	for _, c := range Collectors() {
		var already prometheus.AlreadyRegisteredError
		if err := metrics.Registry.Register(c); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
