package rollout

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Istio's names, by which pods ask for a sidecar and show that they have one.
const (
	labelInjection   = "istio-injection"
	labelRevision    = "istio.io/rev"
	labelInject      = "sidecar.istio.io/inject"
	annotationStatus = "sidecar.istio.io/status"
	// tagDefault is the tag that istio-injection=enabled stands for.
	tagDefault = "default"
)

// UnmeshedAnnotations are the annotations of a pod that Unmeshed reads.
var UnmeshedAnnotations = []string{labelInject, annotationStatus}

// Unmeshed reports whether a pod asks for a sidecar of a mesh that answers to
// these values of istio.io/rev, by its own labels or those of its namespace, and
// has none. The order of precedence is Istio's, as in internal/inject. Whether
// the pod has the host's network, or runs on Windows, is not looked at.
func Unmeshed(pod metav1.Object, namespace map[string]string, answers []string) bool {
	if pod.GetAnnotations()[annotationStatus] != "" || optedOut(pod) {
		return false
	}
	labels := pod.GetLabels()
	if value, ok := namespace[labelInjection]; ok {
		return value == "enabled" && slices.Contains(answers, tagDefault)
	}
	if value, ok := namespace[labelRevision]; ok {
		return slices.Contains(answers, value)
	}
	if value, ok := labels[labelRevision]; ok {
		return slices.Contains(answers, value)
	}
	return labels[labelInject] == "true" && slices.Contains(answers, tagDefault)
}

// Asks reports whether namespace or pod ask for any mesh at all, so that the
// others need not be looked at twice.
func Asks(pod metav1.Object, namespace map[string]string) bool {
	labels := pod.GetLabels()
	return Unmeshed(pod, namespace, []string{tagDefault, namespace[labelRevision], labels[labelRevision]})
}

func optedOut(pod metav1.Object) bool {
	if value, ok := pod.GetLabels()[labelInject]; ok {
		return value == "false"
	}
	return pod.GetAnnotations()[labelInject] == "false"
}
