package cmd

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/source"
)

// clusterScope is the part of a cluster that belongs to one mesh, as its
// discovery sees it. Without a name it is that of the only MeshInstall, and the
// whole cluster where there is none, or none that may be read.
func clusterScope(ctx context.Context, config *rest.Config, install string) (source.Scope, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return source.Scope{}, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return source.Scope{}, fmt.Errorf("connect to the API server: %w", err)
	}
	var names []string
	if install != "" {
		names = append(names, install)
	}
	installs, err := readInstalls(ctx, reader, names)
	switch {
	case install == "" && (meta.IsNoMatchError(err) || apierrors.IsForbidden(err)), err == nil && len(installs) == 0:
		return source.Scope{}, nil
	case err != nil:
		return source.Scope{}, err
	case len(installs) > 1:
		return source.Scope{}, fmt.Errorf("there are several MeshInstalls: %s; choose one with --install", installNames(installs))
	}
	claim := plan.ClaimOf(installs[0].Name, installs[0].Spec)
	scope := source.Scope{Own: slices.Concat([]string{claim.Mesh}, claim.Gateways)}
	if !claim.Scope.Empty() {
		scope.Selectors = []labels.Selector{claim.Scope}
	}
	return scope, nil
}
