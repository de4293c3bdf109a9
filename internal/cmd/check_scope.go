package cmd

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/source"
)

// scope is the part of the cluster that belongs to the mesh that is meant: the
// one that was named, or the only one; the whole cluster where there is none, or
// none that may be read.
func (o *checkOptions) scope(ctx context.Context) (source.Scope, error) {
	config, err := o.config()
	if err != nil {
		return source.Scope{}, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return source.Scope{}, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return source.Scope{}, fmt.Errorf("connect to the API server: %w", err)
	}
	installs, err := readInstalls(ctx, reader, o.names())
	switch {
	case o.install == "" && (meta.IsNoMatchError(err) || apierrors.IsForbidden(err)), err == nil && len(installs) == 0:
		return source.Scope{}, nil
	case err != nil:
		return source.Scope{}, err
	case len(installs) > 1:
		return source.Scope{}, fmt.Errorf("there are several MeshInstalls: %s; choose one with --install", installNames(installs))
	}
	return scopeOf(&installs[0]), nil
}

// names are those of the MeshInstalls that are meant; none means all.
func (o *checkOptions) names() []string {
	if o.install == "" {
		return nil
	}
	return []string{o.install}
}

// scopeOf is the part of a cluster that belongs to a mesh, as its discovery sees
// it.
func scopeOf(install *v1alpha1.MeshInstall) source.Scope {
	claim := plan.ClaimOf(install.Name, install.Spec)
	scope := source.Scope{Own: slices.Concat([]string{claim.Mesh}, claim.Gateways)}
	if !claim.Scope.Empty() {
		scope.Selectors = []labels.Selector{claim.Scope}
	}
	return scope
}
