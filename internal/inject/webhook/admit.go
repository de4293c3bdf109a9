package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/meshwright/meshwright/internal/inject"
)

// The root bundle stands in this ConfigMap of the mesh's namespace.
const (
	RootConfigMap = "meshwright-ca-root"
	RootKey       = "root-cert.pem"
)

// admitter answers requests for pods. It may be called concurrently.
type admitter struct {
	// reader reads from the cache.
	reader client.Reader
	config *inject.Config
}

// Handle answers with the patch, or refuses the pod with what its author has to
// change.
func (a *admitter) Handle(ctx context.Context, request admission.Request) admission.Response {
	requests.Inc()
	logger := log.FromContext(ctx)
	result, err := a.patch(ctx, request)
	if err != nil {
		failures.Inc()
		logger.Info("Refusing pod", "reason", err.Error())
		if errors.Is(err, inject.ErrNoRootCert) {
			return admission.Errored(http.StatusServiceUnavailable, err)
		}
		return admission.Denied(err.Error())
	}
	if result.Skipped != "" {
		skipped.Inc()
		logger.V(1).Info("Leaving pod as it is", "reason", result.Skipped)
		return admission.Allowed("")
	}
	injected.Inc()
	logger.V(1).Info("Injecting pod")
	return admission.Patched("", result.Patch...).WithWarnings(result.Warnings...)
}

func (a *admitter) patch(ctx context.Context, request admission.Request) (inject.Result, error) {
	var pod corev1.Pod
	if err := json.Unmarshal(request.Object.Raw, &pod); err != nil {
		return inject.Result{}, fmt.Errorf("read pod: %w", err)
	}
	rootCert, err := a.rootCert(ctx)
	if err != nil {
		return inject.Result{}, err
	}
	result, err := inject.Patch(&pod, &inject.Input{Config: a.config, RootCert: rootCert, Namespace: request.Namespace})
	if errors.Is(err, inject.ErrNoRootCert) {
		err = fmt.Errorf("ConfigMap %s/%s, key %s: %w", a.config.MeshNamespace, RootConfigMap, RootKey, err)
	}
	return result, err
}

// rootCert is the root bundle, empty while there is none.
func (a *admitter) rootCert(ctx context.Context) (string, error) {
	var root corev1.ConfigMap
	err := a.reader.Get(ctx, client.ObjectKey{Namespace: a.config.MeshNamespace, Name: RootConfigMap}, &root)
	if err != nil && !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("read config map %s: %w", RootConfigMap, err)
	}
	return root.Data[RootKey], nil
}
