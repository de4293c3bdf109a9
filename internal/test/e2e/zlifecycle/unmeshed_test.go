//go:build e2e

package zlifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

// Pods that were there before their namespace asked for sidecars are named, on
// their owner too, and made anew where the install has that done.
func TestPodsFromBeforeAreNamedAndRestarted(t *testing.T) {
	w := newWorld(t)
	w.ready(minimal())
	namespace := w.Namespace(t)
	w.Deploy(t, namespace, e2e.App{Name: "early"})
	w.Kubectl(t, "label", "namespace", namespace, "istio-injection=enabled")
	name := "Deployment " + namespace + "/early"
	named := func() bool {
		install := &v1alpha1.MeshInstall{}
		if err := w.objects.Get(w.Context(), client.ObjectKey{Name: installName}, install); err != nil {
			t.Fatal(err)
		}
		return install.Status.Unmeshed != nil && slices.Contains(install.Status.Unmeshed.Names, name)
	}
	w.Eventually(t, func() error {
		notes := w.Kubectl(t, "--namespace", namespace, "get", "events", "--field-selector", "involvedObject.name=early,reason=Unmeshed", "--output", "jsonpath={.items[*].message}")
		if !named() || !strings.Contains(notes, "rollout restart deployment/early") {
			return fmt.Errorf("in the status: %t; events: %q", named(), notes)
		}
		return nil
	})

	spec := minimal()
	automatic := v1alpha1.MigrateAutomatic
	spec.Update = &v1alpha1.Update{DataPlane: &v1alpha1.DataPlane{Migrate: &automatic}}
	w.ready(spec)
	meshed := func(namespace string) {
		t.Helper()
		w.Eventually(t, func() error {
			pods := w.pods(namespace, "app=early")
			if len(pods) != 1 || !slices.ContainsFunc(pods[0].Spec.InitContainers, isProxy) || named() {
				return fmt.Errorf("there are %d pods; in the status: %t", len(pods), named())
			}
			return nil
		})
	}
	meshed(namespace)

	// By eviction the owner's template stays as it is.
	evict := v1alpha1.RestartEvict
	spec.Update.DataPlane.Restart = &evict
	w.ready(spec)
	another := w.Namespace(t)
	w.Deploy(t, another, e2e.App{Name: "early"})
	template := func() string {
		return w.Kubectl(t, "--namespace", another, "get", "deployment", "early", "--output", "jsonpath={.spec.template}")
	}
	before := template()
	w.Kubectl(t, "label", "namespace", another, "istio-injection=enabled")
	meshed(another)
	if after := template(); after != before {
		t.Errorf("the template is %s, was %s", after, before)
	}
}
