package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// rootKey is where the root bundle stands in the ConfigMap that discovery
// writes.
const rootKey = "root-cert.pem"

// policyDelay is how long an API server may take until a policy is in force: it
// looks for changed ones once a second.
const policyDelay = 3 * time.Second

// watched are the kinds that plans are made of on this API server.
func (r *Reconciler) watched() []schema.GroupVersionKind {
	if !r.AdmissionPolicies {
		return Watched
	}
	return slices.Concat(Watched, policyKinds)
}

// servesPolicies asks the API server whether it has admission policies.
func servesPolicies(server discovery.ServerResourcesInterface) (bool, error) {
	served := map[string]bool{}
	list, err := server.ServerResourcesForGroupVersion(policyKinds[0].GroupVersion().String())
	if err != nil {
		return false, fmt.Errorf("ask what the API server has: %w", err)
	}
	for _, resource := range list.APIResources {
		served[resource.Kind] = true
	}
	return served[policyKinds[0].Kind] && served[policyKinds[1].Kind], nil
}

// rootCache holds the root bundles alone: the other ConfigMaps of these
// namespaces are ours and watched by their label.
func (r *Reconciler) rootCache(config *rest.Config) (cache.Cache, error) {
	namespaces := map[string]cache.Config{}
	for _, namespace := range r.MeshNamespaces {
		namespaces[namespace] = cache.Config{}
	}
	c, err := cache.New(config, cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.ConfigMap{}: {Namespaces: namespaces, Field: fields.OneTermEqualSelector("metadata.name", operandRoot)},
	}})
	if err != nil {
		return nil, fmt.Errorf("watch the root certificates: %w", err)
	}
	return c, nil
}

// trust reads the root bundle, which a policy carries into pods.
func (r *Reconciler) trust(ctx context.Context, s *scope) error {
	for _, p := range append([]*plan.Plan{s.target, s.active}, s.retained...) {
		if p == nil || !p.NeedsRootCert() {
			continue
		}
		var root corev1.ConfigMap
		err := r.Roots.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: operandRoot}, &root)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("read config map %s/%s: %w", p.Namespace, operandRoot, err)
		}
		p.RootCert = root.Data[rootKey]
	}
	return nil
}

// rootPoll is how often the root bundle is looked for.
const rootPoll = 2 * time.Second

// trusted waits for the root bundle: without it a policy would refuse pods.
func (s *scope) trusted() error {
	if s.target.NeedsRootCert() && s.target.RootCert == "" {
		// What discovery publishes is not watched.
		return &Waiting{Reason: v1alpha1.ReasonProgressing, After: rootPoll,
			Message: fmt.Sprintf("ConfigMap %s/%s: discovery has not written the mesh's root certificate yet", s.target.Namespace, operandRoot)}
	}
	return nil
}

// settle waits until a policy that was opened is in force. What it takes over
// from stays so long: a webhook is gone at once.
func (r *Reconciler) settle(ctx context.Context, s *scope) error {
	if s.inventory.Active != s.target.Revision {
		return nil
	}
	for _, o := range s.target.Door(plan.Everywhere) {
		if o.GetKind() != policyKinds[1].Kind {
			continue
		}
		stored := ofKind(policyKinds[1])
		if err := r.Clients.Live.Get(ctx, client.ObjectKeyFromObject(o), stored); err != nil {
			return fmt.Errorf("read %s: %w", apply.RefOf(o), err)
		}
		for _, entry := range stored.GetManagedFields() {
			if entry.Manager != apply.FieldManager || entry.Time == nil {
				continue
			}
			if age := r.Now().Sub(entry.Time.Time); age < policyDelay {
				return &Waiting{Reason: v1alpha1.ReasonProgressing, After: policyDelay - age,
					Message: fmt.Sprintf("%s: comes into force", apply.RefOf(o))}
			}
		}
	}
	return nil
}
