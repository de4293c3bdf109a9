package kube

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/internal/mesh"
)

// subzoneLabel is Istio's: Kubernetes has no third level.
const subzoneLabel = "topology.istio.io/subzone"

// Node is the mesh value of a Node: where it stands.
func Node(n *corev1.Node) *mesh.Node {
	return &mesh.Node{
		Name:    n.Name,
		Region:  n.Labels[corev1.LabelTopologyRegion],
		Zone:    n.Labels[corev1.LabelTopologyZone],
		Subzone: n.Labels[subzoneLabel],
	}
}
