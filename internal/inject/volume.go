package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// tokenAudience is who the agent's token is for; the CA checks it.
const tokenAudience = "istio-ca"

const (
	proxyVolume = "istio-envoy"
	infoVolume  = "istio-podinfo"
	tokenVolume = "istio-token"
)

// volumes of the injected containers, with every default of the API server
// spelled out so that a pod read back equals what was written.
var volumes = []corev1.Volume{{
	// Envoy's bootstrap and the agent's socket. In memory, because secrets
	// pass through it.
	Name:         proxyVolume,
	VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}},
}, {
	Name: infoVolume,
	VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		DefaultMode: ptr.To(int32(0o644)),
		Items: []corev1.DownwardAPIVolumeFile{
			{Path: "labels", FieldRef: field("metadata.labels")},
			{Path: "annotations", FieldRef: field("metadata.annotations")},
		},
	}},
}, {
	Name: tokenVolume,
	VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: ptr.To(int32(0o644)),
		Sources: []corev1.VolumeProjection{{
			ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: tokenAudience, ExpirationSeconds: ptr.To(int64(43200)), Path: "istio-token",
			},
		}},
	}},
}}

var (
	proxyMount = corev1.VolumeMount{Name: proxyVolume, MountPath: "/etc/istio/proxy"}
	infoMount  = corev1.VolumeMount{Name: infoVolume, MountPath: "/etc/istio/pod"}
	tokenMount = corev1.VolumeMount{Name: tokenVolume, MountPath: "/var/run/secrets/tokens"}
)

func field(path string) *corev1.ObjectFieldSelector {
	return &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}
}
