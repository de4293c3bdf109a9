package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
)

// The names below are known to charts, users and running pods.
const (
	// SecretName holds the authorities, in the mesh's namespace.
	SecretName = "meshwright-ca"
	// BundleName is the ConfigMap with the public roots, under BundleKey.
	BundleName = "meshwright-ca-root"
	// BundleKey holds PEM certificates.
	BundleKey = "root-cert.pem"
	// ManagedBy is the value of the label app.kubernetes.io/managed-by on both.
	ManagedBy = "meshwright-discovery"
)

// refreshEvery bounds how long a replica goes on with a set that another one,
// or a person, has replaced. Reading persists nothing.
const refreshEvery = 30 * time.Second

// Config is what a Store needs; all fields are required.
type Config struct {
	// Client reads past any cache: the Secret must never sit in an informer.
	Client kubernetes.Interface
	// Namespace is the mesh's own.
	Namespace string
	// BundleNamespaces get the ConfigMap, where they exist.
	BundleNamespaces []string
	TrustDomain      string
	Now              func() time.Time
}

// Store is safe for concurrent use, by several replicas too.
type Store struct{ cfg Config }

// New makes a Store.
func New(cfg Config) *Store { return &Store{cfg: cfg} }

// Ensure returns the authorities in the Secret, and makes them first if there
// is no Secret. Of several replicas that start at once one creates it, and all
// return that one's. A Secret that cannot be read as authorities is an error
// and is never overwritten.
func (s *Store) Ensure(ctx context.Context) (*slot.Set, error) {
	set, err := s.read(ctx)
	if !apierrors.IsNotFound(err) {
		return set, err
	}
	root, err := ca.NewRoot(s.cfg.TrustDomain, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	set = &slot.Set{Current: root}
	data, err := set.Encode()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{ObjectMeta: s.meta(s.cfg.Namespace, SecretName), Type: corev1.SecretTypeOpaque, Data: data}
	_, err = s.cfg.Client.CoreV1().Secrets(s.cfg.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err):
		return s.read(ctx)
	case err != nil:
		return nil, fmt.Errorf("create secret %s/%s: %w", s.cfg.Namespace, SecretName, err)
	}
	logr.FromContextOrDiscard(ctx).Info("Created signing authority", "Secret", s.cfg.Namespace+"/"+SecretName, "notAfter", root.Certificate().NotAfter)
	return set, nil
}

func (s *Store) read(ctx context.Context) (*slot.Set, error) {
	secret, err := s.cfg.Client.CoreV1().Secrets(s.cfg.Namespace).Get(ctx, SecretName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read secret %s/%s: %w", s.cfg.Namespace, SecretName, err)
	}
	set, err := slot.Decode(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("read secret %s/%s: %w", s.cfg.Namespace, SecretName, err)
	}
	return set, nil
}

// Publish makes the ConfigMap in each bundle namespace hold the bundle. It
// writes only what differs, passes over namespaces that do not exist, and
// returns the first error after trying all.
func (s *Store) Publish(ctx context.Context, bundle []byte) error {
	var first error
	for _, namespace := range s.cfg.BundleNamespaces {
		if err := s.publish(ctx, namespace, string(bundle)); err != nil && first == nil {
			first = fmt.Errorf("publish configmap %s/%s: %w", namespace, BundleName, err)
		}
	}
	return first
}

func (s *Store) publish(ctx context.Context, namespace, bundle string) error {
	client := s.cfg.Client.CoreV1().ConfigMaps(namespace)
	have, err := client.Get(ctx, BundleName, metav1.GetOptions{})
	want := map[string]string{BundleKey: bundle}
	if apierrors.IsNotFound(err) {
		_, err = client.Create(ctx, &corev1.ConfigMap{ObjectMeta: s.meta(namespace, BundleName), Data: want}, metav1.CreateOptions{})
		// The namespace is missing or going, or another replica was first.
		if apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil
		}
		return err
	}
	if err != nil || maps.Equal(have.Data, want) {
		return err
	}
	have.Data = want
	if _, err = client.Update(ctx, have, metav1.UpdateOptions{}); apierrors.IsConflict(err) {
		return nil // another replica was first; the next round looks again
	}
	return err
}

// Run keeps the holder's set that of the Secret and the ConfigMaps that of the
// set, until ctx ends; it returns nil then. If the Secret is gone or unreadable
// the process goes on signing with what it holds, and says so.
func (s *Store) Run(ctx context.Context, holder *slot.Holder) error {
	log := logr.FromContextOrDiscard(ctx)
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		if err := s.Refresh(ctx, holder); err != nil && ctx.Err() == nil {
			log.Error(err, "Refreshing signing authority")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Refresh is one round of Run.
func (s *Store) Refresh(ctx context.Context, holder *slot.Holder) error {
	held, err := holder.Get()
	if err != nil {
		return err
	}
	stored, readErr := s.read(ctx)
	if readErr == nil && !stored.Equal(held) {
		logr.FromContextOrDiscard(ctx).Info("Took up changed signing authorities", "roots", len(stored.Roots()))
		holder.Set(stored)
		held = stored
	}
	if err := s.Publish(ctx, held.Bundle()); err != nil {
		return err
	}
	return readErr
}

func (s *Store) meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace,
		Name:      name,
		Labels: map[string]string{
			"app.kubernetes.io/part-of":    "meshwright",
			"app.kubernetes.io/managed-by": ManagedBy,
		},
	}
}
