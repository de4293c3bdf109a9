package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gomodules.xyz/jsonpatch/v2"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// FieldManager writes the authority's Secret and the caBundle.
const FieldManager = "meshwright-injector"

// turn is the time between two looks at the Secret.
const turn = time.Minute

// keeper keeps the authority, the caBundle and this process's serving
// certificate in step. Reconcile is called by one goroutine at a time.
type keeper struct {
	// client reads the webhook's configuration from a cache, and the Secret
	// from the API server: a cache would need the right to watch Secrets.
	client client.Client
	// namespace is the mesh's, webhookName the configuration's name.
	namespace, webhookName string
	// names are what the API server may call this server.
	names []string
	now   func() time.Time

	// authority is the last one read, signer the one that signed serving.
	authority, signer *authority
	serving           atomic.Pointer[tls.Certificate]
}

// errNotServing is why a handshake fails at first.
var errNotServing = errors.New("the injector has no certificate yet")

// getCertificate is for a tls.Config; it may be called concurrently.
func (k *keeper) getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.serving.Load(); c != nil {
		return c, nil
	}
	return nil, errNotServing
}

// Reconcile makes one turn; it is due once in a while and whenever the
// webhook's configuration changes.
func (k *keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	a, err := k.ensureAuthority(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	k.authority = a
	if err := k.ensureBundle(ctx, a.bundle()); err != nil {
		return reconcile.Result{}, err
	}
	if err := k.ensureServing(ctx); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: turn}, nil
}

// ensureServing signs a certificate when there is none, when it ends soon, and
// when its signer is not in the bundle any more. A renewed authority is not
// used before that: by then the API server has long known it.
func (k *keeper) ensureServing(ctx context.Context) error {
	now, current := k.now(), k.serving.Load()
	if current != nil && now.Before(current.Leaf.NotAfter.Add(-servingRenewal)) &&
		bytes.Contains(k.authority.bundle(), k.signer.cert) {
		return nil
	}
	serving, err := k.authority.sign(now, k.names)
	if err != nil {
		return err
	}
	log.FromContext(ctx).Info("Serving a new certificate", "expires", serving.Leaf.NotAfter.Format(time.RFC3339))
	k.serving.Store(serving)
	k.signer = k.authority
	return nil
}

// ensureBundle writes the bundle into every webhook of the configuration that
// has another one.
func (k *keeper) ensureBundle(ctx context.Context, bundle []byte) error {
	logger := log.FromContext(ctx)
	var config admissionregistrationv1.MutatingWebhookConfiguration
	err := k.client.Get(ctx, client.ObjectKey{Name: k.webhookName}, &config)
	if apierrors.IsNotFound(err) {
		logger.V(1).Info("There is no webhook configuration yet")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read webhook configuration %s: %w", k.webhookName, err)
	}
	ops := bundlePatch(&config, bundle)
	if len(ops) == 0 {
		return nil
	}
	data, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("write patch: %w", err)
	}
	logger.Info("Writing caBundle")
	err = k.client.Patch(ctx, &config, client.RawPatch(types.JSONPatchType, data), client.FieldOwner(FieldManager))
	if err != nil {
		return fmt.Errorf("patch webhook configuration %s: %w", k.webhookName, err)
	}
	return nil
}

// bundlePatch touches nothing but the caBundle. It tests the name first: the
// list is addressed by index, and somebody may have changed it meanwhile.
func bundlePatch(config *admissionregistrationv1.MutatingWebhookConfiguration, bundle []byte) []jsonpatch.Operation {
	var ops []jsonpatch.Operation
	for i, w := range config.Webhooks {
		if bytes.Equal(w.ClientConfig.CABundle, bundle) {
			continue
		}
		pointer := fmt.Sprintf("/webhooks/%d", i)
		ops = append(ops,
			jsonpatch.NewOperation("test", pointer+"/name", w.Name),
			jsonpatch.NewOperation("add", pointer+"/clientConfig/caBundle", bundle),
		)
	}
	return ops
}
