package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/meshwright/meshwright/internal/inject"
)

// Path is where pods are asked about.
const Path = "/inject"

// Options say where and for whom to serve. All are required.
type Options struct {
	// Config is what pods get; its MeshNamespace is also where the Secret and
	// the root bundle are.
	Config *inject.Config
	// WebhookName names the MutatingWebhookConfiguration whose caBundle is
	// kept.
	WebhookName string
	// Service is the name of the Service by which the API server reaches this
	// process; it is in the certificate.
	Service string
	// Listen is host:port of the webhook, HTTPAddress that of metrics and
	// health.
	Listen, HTTPAddress string
}

// Run serves until the context ends. It returns nil then, and an error when it
// cannot start or go on.
func Run(ctx context.Context, connection *rest.Config, o Options) error {
	host, port, err := splitAddress(o.Listen)
	if err != nil {
		return err
	}
	namespace := o.Config.MeshNamespace
	k := &keeper{
		namespace: namespace, webhookName: o.WebhookName, now: time.Now,
		names: []string{o.Service, o.Service + "." + namespace, o.Service + "." + namespace + ".svc"},
	}
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{Host: host, Port: port, TLSOpts: []func(*tls.Config){
		func(c *tls.Config) { c.MinVersion, c.GetCertificate = tls.VersionTLS12, k.getCertificate },
	}})
	mgr, err := ctrl.NewManager(connection, managerOptions(o, server, k))
	if err != nil {
		return fmt.Errorf("set up injector: %w", err)
	}
	k.client = mgr.GetClient()
	// Asking the manager for the server is what makes it start it.
	mgr.GetWebhookServer().Register(Path, &admission.Webhook{Handler: &admitter{reader: mgr.GetClient(), config: o.Config}})
	// Asked for here, so that it is in the cache before the first pod.
	if _, err := mgr.GetCache().GetInformer(ctx, &corev1.ConfigMap{}); err != nil {
		return fmt.Errorf("watch config map %s: %w", RootConfigMap, err)
	}
	if err := watch(mgr, k); err != nil {
		return fmt.Errorf("watch webhook configuration %s: %w", o.WebhookName, err)
	}
	return mgr.Start(ctx)
}

// managerOptions confine the caches to the two objects that are watched.
func managerOptions(o Options, server ctrlwebhook.Server, k *keeper) manager.Options {
	scheme := runtime.NewScheme()
	// This never fails: the scheme is new.
	_ = clientgoscheme.AddToScheme(scheme)
	byName := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	return manager.Options{
		Scheme:        scheme,
		WebhookServer: server,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
				o.Config.MeshNamespace: {FieldSelector: byName(RootConfigMap)},
			}},
			&admissionregistrationv1.MutatingWebhookConfiguration{}: {Field: byName(o.WebhookName)},
		}},
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		HealthProbeBindAddress: "0",
		Metrics: metricsserver.Options{BindAddress: o.HTTPAddress, ExtraHandlers: map[string]http.Handler{
			"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }),
			"/readyz":  ready(server, k),
		}},
	}
}

// ready is 200 once pods can be answered. A missing root bundle does not count:
// the answer then is a refusal that says so.
func ready(server ctrlwebhook.Server, k *keeper) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := k.getCertificate(nil)
		if err == nil {
			err = server.StartedChecker()(r)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok"))
	})
}

// watch turns the keeper at the start, when the configuration changes, and
// when it asks to.
func watch(mgr manager.Manager, k *keeper) error {
	// Tests run several injectors in one process.
	anyName := true
	return ctrl.NewControllerManagedBy(mgr).
		Named("injector-certificate").
		WithOptions(controller.Options{SkipNameValidation: &anyName}).
		For(&admissionregistrationv1.MutatingWebhookConfiguration{}).
		WatchesRawSource(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: k.webhookName}})
			return nil
		})).
		Complete(k)
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("read listen address: %w", err)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("read listen address %s: %w", address, err)
	}
	return host, port, nil
}
