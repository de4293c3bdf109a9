package inject

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Config is what all injected pods of a revision have in common: the file that
// the injector and `meshwright inject` read. The root bundle is not in it,
// because it is renewed while a revision stays.
type Config struct {
	// Image is the image of both containers: ours, with Envoy.
	Image string `json:"image"`
	// ImagePullPolicy defaults to IfNotPresent.
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// DiscoveryAddress is host:port of discovery's secured port.
	DiscoveryAddress string `json:"discoveryAddress"`
	// TrustDomain defaults to cluster.local.
	TrustDomain string `json:"trustDomain,omitempty"`
	// ClusterID names the Kubernetes cluster; it defaults to Kubernetes.
	ClusterID string `json:"clusterID,omitempty"`
	// Revision is the revision that injects, written on each pod.
	Revision string `json:"revision"`
	// Tags are further values of istio.io/rev that this revision answers to.
	// The tag "default" also answers to istio-injection=enabled.
	Tags []string `json:"tags,omitempty"`
	// MeshNamespace is the namespace of the control plane; no pod in it is
	// injected.
	MeshNamespace string `json:"meshNamespace"`
	// Resources of both containers, where the pod's annotations say nothing.
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// LogLevel of Envoy; it defaults to warning.
	LogLevel string `json:"logLevel,omitempty"`
	// Concurrency is the number of Envoy's worker threads; 0 leaves it to the
	// agent.
	Concurrency int `json:"concurrency,omitempty"`
}

// logLevels are those that Envoy knows.
var logLevels = []string{"trace", "debug", "info", "warning", "error", "critical", "off"}

var pullPolicies = []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}

// ParseConfig reads a Config from YAML and fills in the defaults. An unknown
// key, or a missing or impossible value, is an error that names it.
func ParseConfig(data []byte) (*Config, error) {
	c := &Config{
		ImagePullPolicy: corev1.PullIfNotPresent,
		TrustDomain:     "cluster.local",
		ClusterID:       "Kubernetes",
		LogLevel:        "warning",
	}
	if err := yaml.UnmarshalStrict(data, c); err != nil {
		return nil, fmt.Errorf("read injection config: %w", err)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("read injection config: %w", err)
	}
	return c, nil
}

func (c *Config) validate() error {
	var errs []error
	for _, required := range []struct{ key, value string }{
		{"image", c.Image},
		{"discoveryAddress", c.DiscoveryAddress},
		{"trustDomain", c.TrustDomain},
		{"clusterID", c.ClusterID},
		{"revision", c.Revision},
		{"meshNamespace", c.MeshNamespace},
	} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("%s: must not be empty", required.key))
		}
	}
	if !slices.Contains(logLevels, c.LogLevel) {
		errs = append(errs, fmt.Errorf("logLevel: %q is not one of %v", c.LogLevel, logLevels))
	}
	if !slices.Contains(pullPolicies, c.ImagePullPolicy) {
		errs = append(errs, fmt.Errorf("imagePullPolicy: %q is not one of %v", c.ImagePullPolicy, pullPolicies))
	}
	if c.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("concurrency: %d is less than 0", c.Concurrency))
	}
	return errors.Join(errs...)
}
