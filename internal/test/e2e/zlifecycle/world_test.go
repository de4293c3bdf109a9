//go:build e2e

package zlifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

const (
	operatorNamespace = "meshwright-operator"
	// installName is the MeshInstall of these tests.
	installName = "life"
	// crds are the operator's own.
	crds = "../../../../charts/operator/crds"
)

// world is the cluster as its administrator sees it, with the operator running.
type world struct {
	*testing.T
	*e2e.Cluster
	objects client.Client
}

// newWorld installs the operator's chart and removes the meshes of others.
func newWorld(t *testing.T) *world {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	cluster := e2e.Connect(t)
	cluster.Config.WarningHandler = rest.NoWarnings{} // every kind is listed, old ones too
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cluster.Config, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Cluster: cluster, objects: c}
	w.Kubectl(t, "apply", "--server-side", "--force-conflicts", "--filename", crds)
	w.Kubectl(t, "wait", "--for=condition=Established", "--filename", crds, "--timeout", e2e.Timeout.String())
	w.installOperator(nil)
	var all v1alpha1.MeshInstallList
	if err := c.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, install := range all.Items {
		if install.Name != installName {
			w.remove(install.Name)
		}
	}
	return w
}

// ended is the test's context for its cleanup, when the test's own is over.
func ended(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// installIstioCRDs applies those of the pinned module.
func (w *world) installIstioCRDs() {
	w.Helper()
	file, err := apiserver.IstioCRDs()
	if err != nil {
		w.Fatal(err)
	}
	w.Kubectl(w.T, "apply", "--server-side", "--force-conflicts", "--filename", file)
	w.Kubectl(w.T, "wait", "--for=condition=Established", "--filename", file, "--timeout", e2e.Timeout.String())
}

// operator is what its chart installs.
func (w *world) operator(values map[string]any) []*unstructured.Unstructured {
	w.Helper()
	objects, err := plan.Operator(operatorNamespace, values)
	if err != nil {
		w.Fatal(err)
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	namespace.SetName(operatorNamespace)
	return append([]*unstructured.Unstructured{namespace}, objects...)
}

// installOperator applies the chart with values and waits until it is rolled out.
func (w *world) installOperator(values map[string]any) {
	w.Helper()
	for _, o := range w.operator(values) {
		if err := w.objects.Apply(w.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership); err != nil {
			w.Fatalf("install %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	w.WaitRollout(w.T, operatorNamespace, "deployment/meshwright-operator")
}

// minimal is a small mesh without gateways.
func minimal() v1alpha1.MeshInstallSpec {
	return v1alpha1.MeshInstallSpec{
		Version: "v0.1.0", Profile: v1alpha1.ProfileMinimal, Namespace: "mesh-system",
		Components: &v1alpha1.Components{Discovery: new(small())},
		Deletion:   &v1alpha1.Deletion{Policy: new(v1alpha1.DeleteImmediate)},
	}
}

// withIngress is a small mesh with an ingress gateway that needs no load balancer.
func withIngress() v1alpha1.MeshInstallSpec {
	spec := minimal()
	spec.Profile = v1alpha1.ProfileDefault
	spec.Components.Gateways = []v1alpha1.Gateway{{
		Name: "ingress", Namespace: "mesh-ingress", Component: small(),
		Service: &v1alpha1.GatewayService{Type: new(v1alpha1.ServiceNodePort)},
	}}
	return spec
}

func small() v1alpha1.Component {
	return v1alpha1.Component{Resources: &v1alpha1.Resources{Requests: map[string]resource.Quantity{"cpu": resource.MustParse("10m"), "memory": resource.MustParse("64Mi")}}}
}

// want makes spec that of the MeshInstall.
func (w *world) want(spec v1alpha1.MeshInstallSpec) {
	w.Helper()
	w.Eventually(w.T, func() error {
		install := &v1alpha1.MeshInstall{}
		err := w.objects.Get(w.Context(), client.ObjectKey{Name: installName}, install)
		if apierrors.IsNotFound(err) {
			install.Name, install.Spec = installName, spec
			return w.objects.Create(w.Context(), install)
		}
		if err != nil {
			return err
		}
		install.Spec = spec
		return w.objects.Update(w.Context(), install)
	})
}

// ready is the MeshInstall when it has spec and all of it is up.
func (w *world) ready(spec v1alpha1.MeshInstallSpec) *v1alpha1.MeshInstall {
	w.Helper()
	w.want(spec)
	return w.settled(v1alpha1.ConditionReady, v1alpha1.ReasonReady)
}

// settled is the MeshInstall when its status speaks of its spec and has the
// condition, for the reason.
func (w *world) settled(condition, reason string) *v1alpha1.MeshInstall {
	w.Helper()
	install := &v1alpha1.MeshInstall{}
	w.Eventually(w.T, func() error {
		if err := w.objects.Get(w.Context(), client.ObjectKey{Name: installName}, install); err != nil {
			return err
		}
		c := meta.FindStatusCondition(install.Status.Conditions, condition)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != reason || c.ObservedGeneration != install.Generation {
			return fmt.Errorf("generation %d has conditions %+v, want %s for %s", install.Generation, install.Status.Conditions, condition, reason)
		}
		return nil
	})
	return install
}

func message(install *v1alpha1.MeshInstall, condition string) string {
	return meta.FindStatusCondition(install.Status.Conditions, condition).Message
}

// remove deletes a MeshInstall, if there is one, and waits until it is gone.
func (w *world) remove(name string) {
	w.Helper()
	w.Kubectl(w.T, "delete", "meshinstall", name, "--ignore-not-found", "--timeout", e2e.Timeout.String())
}

// sees ends the test when no Event on the MeshInstall, for the reason, has all
// words in its note.
func (w *world) sees(install *v1alpha1.MeshInstall, reason string, words ...string) {
	w.Helper()
	w.Eventually(w.T, func() error {
		var all eventsv1.EventList
		if err := w.objects.List(w.Context(), &all); err != nil {
			return err
		}
		var notes []string
		for _, event := range all.Items {
			if event.Regarding.UID != install.UID || event.Reason != reason {
				continue
			}
			missing := false
			for _, word := range words {
				missing = missing || !strings.Contains(event.Note, word)
			}
			if !missing {
				return nil
			}
			notes = append(notes, event.Note)
		}
		return fmt.Errorf("Events %s are %q, want one with %q", reason, notes, words)
	})
}

// pods are the names of the Pods with the labels, as a selector says them.
func (w *world) pods(namespace, selector string) []corev1.Pod {
	w.Helper()
	list, err := w.Client.CoreV1().Pods(namespace).List(w.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}
