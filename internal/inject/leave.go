package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// leavePath is where the agent answers once the mesh has stopped sending to a
// pod that goes.
const leavePath = "/drain"

// leave is a hook that holds back the signal to end until then; what begins it is
// the hook of the proxy's container. The agent bounds it by the pod's grace
// period.
func leave() *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{
		Path: leavePath, Port: intstr.FromInt32(agentPort), Scheme: corev1.URISchemeHTTP,
	}}
}

// leave gives the hook to containers that have none of their own.
func (p *patch) leave(pod *corev1.Pod) {
	for i, c := range pod.Spec.Containers {
		switch path := fmt.Sprintf("/spec/containers/%d/lifecycle", i); {
		case c.Lifecycle == nil:
			p.add(path, corev1.Lifecycle{PreStop: leave()})
		case c.Lifecycle.PreStop == nil:
			p.add(path+"/preStop", leave())
		}
	}
}
