package source_test

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// TestKindsComeAndGoWithTheirCRDs starts on a cluster that has never heard of
// Istio.
func TestKindsComeAndGoWithTheirCRDs(t *testing.T) {
	t.Parallel()
	bare := apiserver.Start(t)
	w := start(t, bare.Config)
	w.until(t, key(mesh.KindService, "default", "kubernetes"), has)

	path, err := apiserver.IstioCRDs()
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.InstallCRDs(path); err != nil {
		t.Fatal(err)
	}
	c := kubernetes(t, bare)
	create(t, c, `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: back, namespace: late}
spec: {host: back, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: lua, namespace: late}
spec: {}
`)
	rule, filter := key(mesh.KindDestinationRule, "late", "back"), key("EnvoyFilter", "late", "lua")
	w.until(t, rule, has)
	w.until(t, filter, func(e source.Event, there bool) bool { return there && len(e.Problems) == 1 })

	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("destinationrules.networking.istio.io")
	if err := c.Delete(t.Context(), crd, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.until(t, rule, gone)
	w.until(t, filter, func(_ source.Event, there bool) bool { return there })

	eventually(t, func() error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), crd); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the CRD is still there: %w", err)
		}
		return nil
	})
	if err := bare.InstallCRDs(path); err != nil {
		t.Fatal(err)
	}
	create(t, c, `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: again, namespace: late}
spec: {host: back}
`)
	w.until(t, key(mesh.KindDestinationRule, "late", "again"), has)
}
