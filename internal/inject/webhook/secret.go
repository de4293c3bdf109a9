package webhook

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// SecretName is the Secret of the authority, in the mesh's namespace.
const SecretName = "meshwright-injector-cert"

// The keys of the Secret.
const (
	keyCert     = "tls.crt"
	keyKey      = "tls.key"
	keyPrevious = "previous.crt"
)

// ensureAuthority returns the authority that the Secret holds, after making or
// renewing it where that is due. A conflict with another replica is an error
// that a retry mends.
func (k *keeper) ensureAuthority(ctx context.Context) (*authority, error) {
	logger := log.FromContext(ctx)
	now := k.now()
	var secret corev1.Secret
	err := k.client.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: SecretName}, &secret)
	if apierrors.IsNotFound(err) {
		a, err := k.lost(now)
		if err != nil {
			return nil, err
		}
		logger.Info("Creating authority", "Secret", SecretName)
		return a, k.create(ctx, a)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", SecretName, err)
	}
	a := &authority{cert: secret.Data[keyCert], key: secret.Data[keyKey], previous: secret.Data[keyPrevious]}
	pair, err := a.pair()
	switch {
	case err != nil:
		logger.Info("Replacing an authority that cannot be read", "Secret", SecretName, "reason", err.Error())
		a, err = k.lost(now)
	case now.After(pair.Leaf.NotAfter.Add(-authorityRenewal)):
		logger.Info("Renewing authority", "Secret", SecretName, "expires", pair.Leaf.NotAfter.Format(time.RFC3339))
		a, err = newAuthority(now, a.cert)
	default:
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	// The resource version that was read makes one replica of several win.
	secret.Data = a.data()
	if err := k.client.Update(ctx, &secret, client.FieldOwner(FieldManager)); err != nil {
		return nil, fmt.Errorf("update secret %s: %w", SecretName, err)
	}
	return a, nil
}

// lost is the authority to write where the Secret holds none. What this process
// and others serve goes on being valid if it is the one that they know.
func (k *keeper) lost(now time.Time) (*authority, error) {
	if k.authority != nil {
		return k.authority, nil
	}
	return newAuthority(now, nil)
}

func (k *keeper) create(ctx context.Context, a *authority) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: SecretName},
		Type:       corev1.SecretTypeTLS,
		Data:       a.data(),
	}
	if err := k.client.Create(ctx, secret, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("create secret %s: %w", SecretName, err)
	}
	return nil
}

func (a *authority) data() map[string][]byte {
	data := map[string][]byte{keyCert: a.cert, keyKey: a.key}
	if len(a.previous) > 0 {
		data[keyPrevious] = a.previous
	}
	return data
}
