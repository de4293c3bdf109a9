package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/apply"
)

// operatorConditions is OLM's kind by which an operator says whether it may be
// updated. OLM makes the object, and gives the right to change it.
var operatorConditions = schema.GroupVersionKind{Group: "operators.coreos.com", Version: "v2", Kind: "OperatorCondition"}

// conditionUpgradeable is OLM's: while it is False, OLM does not update us.
const conditionUpgradeable = "Upgradeable"

// mirror tells OLM whether the operator may be updated: not while a MeshInstall
// says that it may not.
type mirror struct {
	clients apply.Clients
	now     func() time.Time
	// key is that of our OperatorCondition.
	key client.ObjectKey
}

// Reconcile writes the condition if it has become another.
func (m *mirror) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var all v1alpha1.MeshInstallList
	if err := m.clients.Cached.List(ctx, &all); err != nil {
		return ctrl.Result{}, fmt.Errorf("list MeshInstalls: %w", err)
	}
	o := ofKind(operatorConditions)
	if err := m.clients.Live.Get(ctx, m.key, o); err != nil {
		return ctrl.Result{}, fmt.Errorf("read OperatorCondition %s: %w", m.key, err)
	}
	var spec struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	fields, _, _ := unstructured.NestedMap(o.Object, "spec")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &spec); err != nil {
		return ctrl.Result{}, fmt.Errorf("read OperatorCondition %s: %w", m.key, err)
	}
	wanted := upgradeable(all.Items)
	wanted.LastTransitionTime = metav1.NewTime(m.now())
	if !meta.SetStatusCondition(&spec.Conditions, wanted) {
		return ctrl.Result{}, nil
	}
	list, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&spec)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("write OperatorCondition %s: %w", m.key, err)
	}
	before := o.DeepCopy()
	if err := unstructured.SetNestedField(o.Object, list["conditions"], "spec", "conditions"); err != nil {
		return ctrl.Result{}, fmt.Errorf("write OperatorCondition %s: %w", m.key, err)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := m.clients.Writer.Patch(ctx, o, patch, client.FieldOwner(apply.FieldManager)); err != nil {
		return ctrl.Result{}, fmt.Errorf("write OperatorCondition %s: %w", m.key, err)
	}
	log.FromContext(ctx).Info("Told OLM", "upgradeable", string(wanted.Status), "message", wanted.Message)
	return ctrl.Result{}, nil
}

// upgradeable is what the MeshInstalls come to.
func upgradeable(installs []v1alpha1.MeshInstall) metav1.Condition {
	var waits []string
	for i := range installs {
		c := meta.FindStatusCondition(installs[i].Status.Conditions, v1alpha1.ConditionUpdateAllowed)
		if c != nil && c.Status == metav1.ConditionFalse {
			waits = append(waits, "MeshInstall "+installs[i].Name+": "+c.Message)
		}
	}
	if len(waits) > 0 {
		return metav1.Condition{Type: conditionUpgradeable, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCanary, Message: strings.Join(waits, "; ")}
	}
	return metav1.Condition{Type: conditionUpgradeable, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAsWanted}
}

// register has the mirror look whenever a MeshInstall changes.
func (m *mirror) register(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("operatorcondition").
		Watches(&v1alpha1.MeshInstall{}, handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: m.key}} // there is one object for all
		})).
		Complete(m)
}
