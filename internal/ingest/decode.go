package ingest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Decode reads one YAML document as the object that Object expects. Kinds that
// it does not know come back as unstructured. Unknown fields of Kubernetes' own
// kinds are an error that names the field; those of Istio's are Object's to
// report.
func Decode(document []byte) (runtime.Object, error) {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	var object runtime.Object
	switch meta.APIVersion + "/" + meta.Kind {
	case "v1/Service":
		object = &corev1.Service{}
	case "v1/Pod":
		object = &corev1.Pod{}
	case "v1/Node":
		object = &corev1.Node{}
	case "v1/Secret":
		object = &corev1.Secret{}
	case "discovery.k8s.io/v1/EndpointSlice":
		object = &discoveryv1.EndpointSlice{}
	default:
		raw, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("read object: %w", err)
		}
		return u, nil
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return nil, fmt.Errorf("read %s: %w", meta.Kind, err)
	}
	if s, ok := object.(*corev1.Secret); ok {
		mergeStringData(s)
	}
	return object, nil
}

// mergeStringData does what the API server does on write.
func mergeStringData(s *corev1.Secret) {
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}
